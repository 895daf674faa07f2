"""Standing: what is known of the notes that stand in one object, and as of when.

Made by listener.index, asked by listener.notes for each note that it writes. Another replica of the
listener may have written since; the resourceVersion lets the API server tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from externalsecret.ledger import Heard


@dataclass(frozen=True, slots=True)
class Standing:
    """Of an object that is not known, nothing stands and the version is empty."""

    version: str = ""
    """The object's resourceVersion at which this was so."""
    uncovered: Mapping[str, Heard] = field(default_factory=dict)
    """The notes that no read has covered yet, by entry."""
