"""The lenient base64 of `isBinary: true`.

Fed by the text of an item or of a document's member; feeds the Secret entry. It follows what Node's
`Buffer.from(text, 'base64')` does, because manifests in the field depend on it: never an error,
whatever the text. Whether the text was meant as base64 nobody can tell afterwards; garbage in gives
noise out.
"""

import base64
import string

_ALPHABET = (string.ascii_letters + string.digits + "+/").encode()
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_OUTSIDE = bytes(sorted(set(range(256)) - set(_ALPHABET) - set(b"-_")))


def decode(text: str) -> bytes:
    """The bytes that `text` stands for.

    Both alphabets count, padding may be absent, the first `=` ends the text, other characters are
    skipped, and a single character left over is dropped. Node looks at the low byte of each UTF-16
    unit only (asked: Node 20), so a character beyond U+00FF counts as whatever its low byte is.
    """
    low_bytes = text.encode("utf-16-le", "surrogatepass")[::2]
    meant = low_bytes.partition(b"=")[0].translate(None, _OUTSIDE).translate(_URL_SAFE)
    if len(meant) % 4 == 1:
        meant = meant[:-1]
    return base64.b64decode(meant + b"=" * (-len(meant) % 4))
