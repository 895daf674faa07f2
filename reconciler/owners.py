"""The ownerReferences of a Secret: ours there, or not there, as the deletion policy says.

Fed by reconciler.secretmeta; feeds the bodies of requests. Plain functions of plain data.

Guarantees: references to anything else stay as they are. Those that the template adds are written
once for each spec: the garbage collector takes away what has gone, and is not to be fought. Under
Retain no reference to an ExternalSecret of this name is left, not even one with a uid that no
longer exists: Kubernetes' garbage collector would delete the Secret for either.
"""

from typing import Any

from externalsecret.policies import retains
from externalsecret.resource import ExternalSecret
from reconciler.frame import Frame
from reconciler.live import LiveSecret, Owner, is_named, owner_reference


def new_owners(es: ExternalSecret, frame: Frame) -> list[Owner]:
    """Of a Secret that is to be made."""
    return [*_ours(es, frame), *_beside(es, frame)]


def mended_owners(es: ExternalSecret, frame: Frame, live: LiveSecret) -> list[Owner] | None:
    """All owners, as merge patches replace lists; None where nothing is amiss."""
    ours = _ours(es, frame)
    held = [owner for owner in live.owners if is_named(owner, es)]
    is_right = len(held) == len(ours) and all(map(_has, held, ours))
    beside = [] if es.is_observed() else _beside(es, frame)
    missing = [owner for owner in beside if not any(_has(one, owner) for one in live.owners)]
    if is_right and not missing:
        return None
    replaced = {owner.get("uid") for owner in missing}
    kept = [
        owner
        for owner in live.owners
        if not is_named(owner, es) and owner.get("uid") not in replaced
    ]
    return [*kept, *ours, *missing]


def _ours(es: ExternalSecret, frame: Frame) -> list[dict[str, Any]]:
    if retains(es.spec):
        return []
    return [{**frame.own_reference, **owner_reference(es)}]


def _beside(es: ExternalSecret, frame: Frame) -> list[Owner]:
    return [owner for owner in frame.owners if not is_named(owner, es)]


def _has(owner: Owner, wanted: Owner) -> bool:
    return all(owner.get(name) == value for name, value in wanted.items())
