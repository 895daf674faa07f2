"""Reader: what the ledger of one reader says of one read, as far as the index knows it.

Made by listener.index; fed to sources that compare what they see themselves with what was synced.
"""

from dataclasses import dataclass

from externalsecret.ledger import Heard
from externalsecret.reference import Reference
from externalsecret.reflect import Key


@dataclass(frozen=True, slots=True)
class Reader:
    """One read of one ExternalSecret, and its ledger."""

    key: Key
    reference: Reference
    synced: str
    """The version that the Secret holds; "" where nothing is synced."""
    noted: tuple[str, str]
    """Ids of the note that stands there and of that which the last read served; "" for none."""
    pending: Heard | None
    """The note that stands there, if no read has covered it yet."""
