"""The certificate of the webhook, read again when its files change.

Fed by two files in PEM form (a mounted Secret of type kubernetes.io/tls, as cert-manager renews
it); feeds listener.webhook.serve with a context for each new handshake. A new pair that does not
fit together, as while one file is written before the other, leaves the old one in place.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

from externalsecret.errors import GiveUp
from listener.webhook.reread import OnFailure, Reread


def certificate(cert: Path, key: Path, on_failure: OnFailure) -> Reread[ssl.SSLContext]:
    """The context for the next handshake. Raises GiveUp where there is none to begin with."""
    return Reread(lambda: (cert, key), _context, on_failure)


def _context(files: Sequence[Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in files:
        # Its OSError names the file that is missing; that of the ssl module does not.
        file.read_bytes()
    try:
        context.load_cert_chain(files[0], files[1], password=_no_password)
    except (ssl.SSLError, ValueError):
        raise GiveUp(
            f"{files[0]} and {files[1]} are no certificate with its key, both as PEM and the key "
            "without a password.",
            reason="InvalidCertificate",
        ) from None
    return context


def _no_password() -> str:
    """Instead of asking on the terminal."""
    return ""
