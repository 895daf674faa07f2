"""The type that a secret value wears from the SDK's reply to the request that writes it.

Fed by the backends, which wrap what they read; feeds the renderer and the writer of Secrets. It
guarantees that no formatting, logging, comparison message or pickling shows the value: the only way
to the bytes is `reveal`, which is easy to find in a review. It does not wipe memory.
"""

import hmac
from typing import NoReturn, final


@final
class Redacted:
    """Bytes that do not show themselves."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes. Call it only where the value leaves for the API server or enters a parser."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Redacted):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    # A hash would let the value be looked up in a dictionary by guessing.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Redacted(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret value is not pickled or copied out of the process.")
