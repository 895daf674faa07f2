"""Slots: the names under which readers are filed and changes are asked for.

Fed by references and by the secrets of events; feeds listener.index and listener.recent. A reader
and a change that may concern it always share a slot; whether it really does is told by
listener.concern.
"""

from collections.abc import Iterator

from externalsecret.identity import Backend, SecretId
from externalsecret.reference import Reference, Select

Slot = tuple[Backend, str]


def slots_of(reference: Reference) -> Iterator[Slot]:
    """Where a reference is filed: under each reading of its name, or under its path."""
    for name in reference.secret.names():
        yield (reference.secret.backend, _filed(reference, name))


def slots_asked(secret: SecretId) -> Iterator[Slot]:
    """Every slot in which a reader of this secret may be filed."""
    for name in secret.names():
        yield (secret.backend, name)
        if secret.backend is not Backend.PARAMETER_STORE:
            continue
        parent = name
        depth = 0
        while parent:
            parent = parent.rpartition("/")[0]
            if depth == 0:
                yield (secret.backend, f"{parent}/*")
            yield (secret.backend, f"{parent}/**")
            depth += 1


def _filed(reference: Reference, name: str) -> str:
    if reference.selector.select is Select.PATH:
        return f"{name.rstrip('/')}/*"
    if reference.selector.select is Select.TREE:
        return f"{name.rstrip('/')}/**"
    return name
