"""Proof of a caller by a secret that he shares with us.

Fed by a folder (a mounted Secret) with a file for each caller: its name is the caller's, its lines
are the secrets that are good, two at most, so that one can be replaced without a gap. Read again
when it changes.

Guarantees: comparing takes the same time whatever matches and wherever; no secret is logged or
quoted. Who may read the folder, and who sees a query (a proxy's log), can call.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from externalsecret.errors import GiveUp
from listener.webhook.proof import NotProven, Shown

_SHORTEST = 20
_MOST = 2


class SharedSecrets:
    """Implements listener.webhook.proof.Proof."""

    def __init__(self, secrets: Callable[[], Mapping[str, Sequence[bytes]]]) -> None:
        """`secrets` gives the digests of every caller's secrets as they are now."""
        self._secrets = secrets

    def caller(self, shown: Shown) -> str:
        offered = shown.secret or shown.bearer
        if not offered:
            raise NotProven(
                "Show the shared secret: in the header X-Hark-Secret, as a bearer token, or as "
                "`secret` in the query."
            )
        digest = _digest(offered)
        found = ""
        for name, digests in self._secrets().items():
            for good in digests:
                if hmac.compare_digest(digest, good):
                    found = name
        if not found:
            raise NotProven("This shared secret is not known here, or not any more.")
        return found


def secret_files(folder: Path) -> Sequence[Path]:
    """The files of a mounted Secret, without Kubernetes' own."""
    try:
        return sorted(
            file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file()
        )
    except OSError:
        return (folder,)


def read_secrets(files: Sequence[Path]) -> Mapping[str, Sequence[bytes]]:
    """The digests by caller; GiveUp (InvalidSharedSecret)."""
    found = {file.name: _digests(file) for file in files}
    if not found:
        raise _wrong("The folder of shared secrets is empty; put a file for each caller there.")
    owners: dict[bytes, str] = {}
    for name, digests in found.items():
        for digest in digests:
            other = owners.setdefault(digest, name)
            if other != name:
                # Whoever shows it would be judged by the scopes of either.
                raise _wrong(f"{other} and {name} share a secret; give each caller one of his own.")
    return found


def _digests(file: Path) -> Sequence[bytes]:
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(len(line.split()) > 1 for line in lines):
        raise _wrong(f"The shared secret {file.name} has a blank in it; put each on its own line.")
    if not 1 <= len(lines) <= _MOST:
        raise _wrong(
            f"The shared secret {file.name} must be one line, or two while it is being replaced."
        )
    if any(len(line) < _SHORTEST for line in lines):
        raise _wrong(
            f"The shared secret {file.name} is shorter than {_SHORTEST} characters; take a random "
            "one, as `openssl rand -hex 32` makes it."
        )
    return [_digest(line) for line in lines]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()


def _wrong(sentence: str) -> GiveUp:
    return GiveUp(sentence, reason="InvalidSharedSecret")
