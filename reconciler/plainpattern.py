"""Plain patterns: regular expressions so simple that no script engine is needed to answer them.

Fed by reconciler.permissions with the expression of an annotation. Plain are alternatives of
letters, digits and harmless signs, escaped signs, `.` and `.*`, with `^` in front and `$` at the
end: `^team-a/`, `shared/.*|^arn:aws:iam::1:role/app-.*$`. Most permissions are.

Guarantees: the answer is that of JavaScript, in time that grows with pattern times text and no
faster; what is not plain, or long, or no printable ASCII, is left to the engine.
"""

import re
import string
from dataclasses import dataclass

_LONGEST_PATTERN = 500
_LONGEST_TEXT = 2048
_LITERALS = frozenset(string.ascii_letters + string.digits + "/_-:@,=# %&~'\"!;<>")
_ESCAPED = frozenset("./-*+?$^()[]{}|\\")


@dataclass(frozen=True, slots=True)
class _Alternative:
    """Pieces that stand in this order with anything between them, from the text's first character
    to its last.
    """

    pieces: tuple[re.Pattern[str], ...]
    sizes: tuple[int, ...]

    def fits(self, text: str) -> bool:
        if len(self.pieces) == 1:
            return self.pieces[0].fullmatch(text) is not None
        end = len(text) - self.sizes[-1]
        if end < 0 or self.pieces[0].match(text) is None:
            return False
        place = self.sizes[0]
        for piece in self.pieces[1:-1]:
            found = piece.search(text, place, end)
            if found is None:
                return False
            place = found.end()
        return place <= end and self.pieces[-1].match(text, end) is not None


class PlainPattern:
    """A pattern that is plain."""

    def __init__(self, alternatives: tuple[_Alternative, ...]) -> None:
        self._alternatives = alternatives

    def answers(self, text: str) -> bool:
        """Whether `permits` may be asked about this text."""
        return len(text) <= _LONGEST_TEXT and text.isascii() and text.isprintable()

    def permits(self, text: str) -> bool:
        """Whether the pattern is found in the text."""
        return any(alternative.fits(text) for alternative in self._alternatives)


def read_plain(pattern: str, *, whole: bool) -> PlainPattern | None:
    """The pattern, if it is plain; `whole` has it match all of a text instead of a part."""
    if len(pattern) > _LONGEST_PATTERN:
        return None
    alternatives: list[_Alternative] = []
    for part in _parted(pattern):
        found = _alternative(part, whole=whole)
        if found is None:
            return None
        alternatives.append(found)
    return PlainPattern(tuple(alternatives))


def _parted(pattern: str) -> list[list[str]]:
    """Characters of each alternative; a backslash stays with what it escapes."""
    atoms = re.findall(r"\\.?|.", pattern, re.DOTALL)
    parts: list[list[str]] = [[]]
    for atom in atoms:
        if atom == "|":
            parts.append([])
        else:
            parts[-1].append(atom)
    return parts


def _alternative(atoms: list[str], *, whole: bool) -> _Alternative | None:
    from_start = atoms[:1] == ["^"]
    atoms = atoms[from_start:]
    to_end = atoms[-1:] == ["$"]
    atoms = atoms[: len(atoms) - to_end]
    pieces = [""] if from_start or whole else ["", ""]
    place = 0
    while place < len(atoms):
        if atoms[place : place + 2] == [".", "*"]:
            pieces.append("")
            place += 2
            continue
        one = _one(atoms[place])
        if one is None:
            return None
        pieces[-1] += one
        place += 1
    if not (to_end or whole):
        pieces.append("")
    compiled = tuple(re.compile(piece) for piece in pieces)
    return _Alternative(compiled, tuple(_size(piece) for piece in pieces))


def _one(atom: str) -> str | None:
    """What stands for one character, in Python's words; None when the atom is not plain."""
    if atom == ".":
        return "."
    character = atom[-1]
    if atom in _LITERALS or (len(atom) > 1 and character in _ESCAPED):
        return re.escape(character)
    return None


def _size(piece: str) -> int:
    return len(re.findall(r"\\.|.", piece))
