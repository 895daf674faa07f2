"""Recreation: a Secret that Kubernetes does not let us change is deleted and made anew.

Fed by the writer of Secrets where spec.onTypeChange asks for it; feeds the API server.

Guarantees: everything that the new Secret shall hold is in hand before the old one goes: what
changes from the backend, the rest from the old Secret itself, whatever the backend says at that
moment. The API server has judged the new one (a dry run) and the Secret has not been touched since
it was read (uid and resourceVersion are preconditions). What it cannot guarantee is that there is a
Secret at every instant: between the two requests there is none, for milliseconds; a process that
dies just there leaves it to the next one, which makes it from the backend as it would for a new
ExternalSecret. Entries, labels and annotations that others added to the old Secret go with it.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.kubeapi import FIELD_MANAGER, ApiRefusal, ApiRetry, KubeApi
from externalsecret.resource import ExternalSecret
from reconciler.frame import Change, Frame, Text
from reconciler.live import LiveSecret
from reconciler.secretbody import METADATA_ONLY, new_secret

_UNCHANGEABLE = {"type", "data", "immutable"}
_PAUSES = (0.1, 0.3, 1.0, 3.0)
"""Seconds between the tries to make the new Secret, while there is none."""


def may_be_in_the_way(error: ApiRefusal) -> bool:
    """Whether a patch was refused for something that only a new Secret can have."""
    return not _UNCHANGEABLE.isdisjoint(error.fields)


def old_secret(api: KubeApi, path: str, live: LiveSecret) -> dict[str, Any]:
    """The Secret as it stands, values and all. Raises Retry when it is not what `live` tells of: a
    value that somebody has just changed must not pass for one that we wrote.
    """
    try:
        found = api.request("GET", path)
    except ApiRefusal as error:
        raise _known(error) from None
    metadata = found["metadata"]
    if (metadata["uid"], metadata["resourceVersion"]) != (live.uid, live.version):
        raise Retry("The Secret was changed meanwhile.", reason="Conflict")
    return found


def must_go(old: Mapping[str, Any], wanted_type: str) -> bool:
    """Whether a patch can never make of it what is wanted. GiveUp where it would not go."""
    is_so = bool(old.get("immutable")) or old.get("type") != wanted_type
    if is_so and old["metadata"].get("finalizers"):
        raise GiveUp(
            "The Secret must be made anew, but a finalizer would hold up its end. Whoever set the "
            "finalizer must take it away first.",
            reason="TypeConflict",
        )
    return is_so


def complete(
    es: ExternalSecret, old: Mapping[str, Any], live: LiveSecret, frame: Frame, change: Change
) -> dict[str, Any]:
    """The new Secret: what changes, and what else is ours taken from the old one: what we wrote,
    and what the ledger tells of although somebody edited it since.
    """
    wanted = new_secret(es, frame, change)
    ours = live.owned | es.ledger.fed()
    held = {name: text for name, text in (old.get("data") or {}).items() if name in ours}
    data = {**held, **wanted["data"]}
    metadata = wanted["metadata"]
    return {
        **wanted,
        "data": {name: text for name, text in data.items() if name not in change.removed},
        "metadata": {
            **metadata,
            "labels": {**_unevaluated(frame.labels, live.labels), **metadata["labels"]},
            "annotations": {
                **_unevaluated(frame.annotations, live.annotations),
                **metadata["annotations"],
            },
        },
    }


def _unevaluated(texts: Mapping[str, Text], held: Mapping[str, str]) -> dict[str, str]:
    """What an expression made that is not evaluated in this pass."""
    return {name: held[name] for name, text in texts.items() if text is None and name in held}


def recreate(
    api: KubeApi,
    path: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    gone: Callable[[], None],
    pause: Callable[[float], None],
) -> dict[str, Any]:
    """Delete the old Secret and make the new one; its metadata. `gone` is called in between, and
    `pause` with seconds to wait where the API server did not answer then.

    Raises ApiRefusal with the old Secret untouched where the new one would not be taken, GiveUp
    where we may not delete, ApiRetry where the Secret changed meanwhile or the API server is away.
    """
    collection = path.rpartition("/")[0]
    try:
        _post(api, collection, new, dryRun="All")
    except ApiRetry as error:
        # There is one already: that is all it has to say against the new one.
        if error.status != HTTPStatus.CONFLICT:
            raise
    metadata = old["metadata"]
    sure = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    try:
        api.request("DELETE", path, body={"preconditions": sure})
    except ApiRefusal as error:
        if error.status == HTTPStatus.FORBIDDEN:
            raise _may_not_delete() from None
        raise _known(error) from None
    gone()
    for seconds in _PAUSES:
        try:
            return _post(api, collection, new)
        except ApiRetry as error:
            if error.status == HTTPStatus.CONFLICT:
                raise
        pause(seconds)
    return _post(api, collection, new)


def _post(api: KubeApi, collection: str, body: Mapping[str, Any], **query: str) -> dict[str, Any]:
    query = {"fieldManager": FIELD_MANAGER, **query}
    return api.request("POST", collection, query=query, body=body, accept=METADATA_ONLY)


def _known(error: ApiRefusal) -> HarkError:
    if error.status == HTTPStatus.NOT_FOUND:
        return Retry("The Secret has gone.", reason="Conflict")
    return error


def _may_not_delete() -> GiveUp:
    return GiveUp(
        "The Secret must be made anew, as spec.onTypeChange asks, but the reconciler may not "
        "delete Secrets here. Grant it externalsecret/definitions/recreate-rights.yaml in this "
        "namespace, or delete the Secret yourself: it is made anew at once.",
        reason="TypeConflict",
    )
