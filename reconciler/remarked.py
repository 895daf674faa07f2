"""What is to be known of a value although it is used: that it has expired, or may not be used yet.

Fed by the backends' remarks, which reads and looks bring; feeds the ledger with a word, and the
Ready condition with that word as its reason and with a sentence. Plain functions of plain data.

Guarantees: such a value is synced, and so its condition is True. What the ledger tells stands there
until a read or a look tells otherwise.
"""

from collections.abc import Collection, Mapping

from externalsecret.ledger import Ledger, Synced
from reconciler.backends.contract import Remark

_MOST_NAMED = 5


def word_of(remark: Remark | None) -> str | None:
    """For the ledger."""
    return None if remark is None else remark.reason


def is_news(synced: Synced | None, remark: Remark | None) -> bool:
    """Whether the ledger tells something else of what was synced."""
    return synced is not None and synced.remark != word_of(remark)


def remarks_of(
    ledger: Ledger, written: Mapping[str, Synced], entries: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    """The first word, "" for none, and a sentence that names what it is about. `written` are the
    leaves of this pass, `ledger` has the others.
    """
    told: dict[str, list[str]] = {}
    for entry in entries:
        leaf = written.get(entry) or ledger.entry(entry).synced
        if leaf is not None and leaf.remark:
            told.setdefault(leaf.remark, []).append(leaf.resource or entry)
    sentences = tuple(f"{word}, and used all the same: {_named(told[word])}." for word in told)
    return next(iter(told), ""), sentences


def _named(resources: list[str]) -> str:
    more = ", ..." if len(resources) > _MOST_NAMED else ""
    return ", ".join(resources[:_MOST_NAMED]) + more
