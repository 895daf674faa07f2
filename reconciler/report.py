"""What the status of an ExternalSecret shall say, as a merge patch. Plain functions of plain data.

Fed by the reconcile story with an outcome; feeds the API server. Texts of `status` and the meaning
of `observedGeneration` are those of kubernetes-external-secrets; `lastSync` moves only when
something was synced.

Guarantees: a patch names only what differs, and is None when nothing does; it never touches a
`heard` leaf of a key that the spec reads; keys that the spec no longer reads are nulled with the
next patch. A status that would outgrow etcd is told by `fits` before anything is written. A patch
carries the object's uid always: should it land on another object of the same name
(the API server heeds no uid in patches of custom resources), that object's ledger counts as foreign
and is made anew.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from externalsecret.errors import GiveUp, HarkError
from externalsecret.ledger import Synced, Templated
from externalsecret.resource import CAUGHT_UP, SUSPENDED, ExternalSecret
from reconciler.live import LiveSecret

MAX_LEDGER_BYTES = 256 * 1024
"""Of a status as JSON. etcd takes 1.5 MiB (`--max-request-bytes`) for the whole object, whose spec
and managed fields may be as large again; and every change of it goes to both halves' watches.
"""
SUSPENDED_MESSAGE = (
    "spec.suspend is true: nothing is read and nothing is written until it is false or removed; "
    "what changes meanwhile is made up for then."
)
_LONGEST_MESSAGE = 1000
_NOTE_BYTES = 384
"""Room for what the listener may write of a key: an id of 200 and three short texts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a pass over an object ended."""

    error: HarkError | None = None
    synced: Mapping[str, Synced] = field(default_factory=dict)
    """Leaves to write, by entry."""
    entries: Sequence[str] | None = None
    """All entries of the spec; None when the spec could not be read."""
    keep_orphans: bool = False
    live: LiveSecret | None = None
    """The Secret as it is now; None when it was not looked at."""
    is_written: bool = False
    """Whether the Secret was written: only then does `secret` move."""
    template: Templated | None = None
    """What the Secret holds of the template now; None where that did not change."""
    news: Sequence[str] = ()
    """Sentences for the condition's message, where all is well."""
    refreshed: str = ""
    """The refresh that was served; "" for none."""
    remark: str = ""
    """The condition's reason, where all is well but something is to be known; "" for none."""
    is_suspended: bool = False
    """Nothing was done, as the spec demands."""


def status_patch(es: ExternalSecret, outcome: Outcome, now: str) -> dict[str, Any] | None:
    """The body of a merge patch on the status subresource, or None. `now` is RFC 3339."""
    patch = {
        **_head(es, outcome),
        **_secret(es, outcome),
        **_template(es, outcome),
        **_keys(es, outcome),
        **_conditions(es, outcome, now),
    }
    if not patch:
        return None
    if outcome.is_written and outcome.error is None:
        patch["lastSync"] = now
    return {"status": {**patch, "uid": es.uid}}


def fits(
    es: ExternalSecret, leaves: Mapping[str, Synced], wanted: Collection[str] | None = None
) -> GiveUp | None:
    """Why these leaves cannot be recorded, or None when they can. Ask before the Secret is written:
    a Secret without its ledger would be read and written again and again.
    """
    size = ledger_size(es, leaves, wanted)
    if size <= MAX_LEDGER_BYTES:
        return None
    return GiveUp(
        f"The status would take {size} bytes, but at most {MAX_LEDGER_BYTES} are allowed; it "
        "records every key and the names of all entries that come from it. Split the manifest into "
        "several ExternalSecrets, or take from a large document only the members that are needed, "
        "one by one in spec.data.",
        reason="LedgerTooLarge",
    )


def ledger_size(
    es: ExternalSecret, leaves: Mapping[str, Synced], wanted: Collection[str] | None = None
) -> int:
    """Bytes of the status as JSON, were these leaves written into it.

    `wanted` are all entries of the spec where the others are to be dropped; None keeps them. Room
    for a note counts with every key, so that what fits does not cease to when a change is heard.
    """
    kept = es.ledger.entries.keys() | leaves.keys()
    if wanted is not None:
        kept &= set(wanted)
    written = {entry: leaves.get(entry) or es.ledger.entry(entry).synced for entry in kept}
    keys = {entry: {"synced": leaf.leaf() if leaf else None} for entry, leaf in written.items()}
    status = json.dumps({**es.status, "keys": keys}, ensure_ascii=False, separators=(",", ":"))
    return len(status.encode("utf-8", "surrogatepass")) + _NOTE_BYTES * len(keys)


def outcome_changed(es: ExternalSecret, outcome: Outcome) -> bool:
    """Whether the Ready condition's reason is another than before."""
    ready = _ready(es)
    return ready is None or ready.get("reason") != _reason(outcome)


def _head(es: ExternalSecret, outcome: Outcome) -> dict[str, Any]:
    told = {} if es.ledger.is_foreign else es.status
    wanted = {
        "uid": es.uid,
        "observedGeneration": es.generation,
        "status": "SUCCESS" if outcome.error is None else f"ERROR, {_clean(outcome.error.message)}",
        "refreshed": outcome.refreshed or told.get("refreshed"),
    }
    if outcome.is_suspended:
        # What was last said of the Secret stays said, unless it was said of another object.
        wanted["status"] = told.get("status")
    return {name: value for name, value in wanted.items() if es.status.get(name) != value}


def _secret(es: ExternalSecret, outcome: Outcome) -> dict[str, Any]:
    live = outcome.live
    if live is None or not outcome.is_written:
        return {"secret": None} if es.ledger.is_foreign and es.status.get("secret") else {}
    if (es.ledger.secret_uid, es.ledger.secret_version) == (live.uid, live.version):
        return {}
    return {"secret": {"uid": live.uid, "resourceVersion": live.version}}


def _template(es: ExternalSecret, outcome: Outcome) -> dict[str, Any]:
    if outcome.template is None or outcome.template == es.ledger.template:
        return {"template": None} if es.ledger.is_foreign and es.status.get("template") else {}
    leaf = outcome.template.leaf()
    if leaf is None and not es.status.get("template"):
        return {}
    return {"template": leaf}


def _keys(es: ExternalSecret, outcome: Outcome) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    if es.ledger.is_foreign:
        # The patch makes this ledger the object's own: what another one synced must not pass for
        # its doing.
        keys = {entry: {"synced": None} for entry in es.ledger.entries}
    keys |= {
        entry: {"synced": leaf.leaf()}
        for entry, leaf in outcome.synced.items()
        if es.ledger.entry(entry).synced != leaf
    }
    if outcome.entries is not None and not outcome.keep_orphans:
        keys |= dict.fromkeys(set(es.ledger.entries) - set(outcome.entries))
    return {"keys": keys} if keys else {}


def _conditions(es: ExternalSecret, outcome: Outcome, now: str) -> dict[str, Any]:
    """The whole list, as merge patches replace lists; conditions of others are kept."""
    former = _ready(es)
    status = "True" if outcome.error is None else "False"
    if outcome.is_suspended:
        # Neither: nobody looks whether the Secret still holds what the backend holds.
        status = "Unknown"
    moved = former is None or former.get("status") != status
    ready = {
        "type": "Ready",
        "status": status,
        "reason": _reason(outcome),
        "message": _message(es, outcome),
        "observedGeneration": es.generation,
        "lastTransitionTime": now if former is None or moved else former.get("lastTransitionTime"),
    }
    if ready == former or _says_the_same(ready, former, outcome):
        return {}
    mine = {"Ready", CAUGHT_UP}
    others = [one for one in es.status.get("conditions") or [] if one.get("type") not in mine]
    return {"conditions": [*others, *_behind(es, outcome, now), ready]}


def _behind(es: ExternalSecret, outcome: Outcome, now: str) -> list[Mapping[str, Any]]:
    """The condition that outlives a suspension until all is made up for. Ready cannot tell: it
    speaks of whatever goes wrong meanwhile.
    """
    if not outcome.is_suspended and (outcome.error is None or not es.was_suspended()):
        return []
    for one in es.status.get("conditions") or []:
        if one.get("type") == CAUGHT_UP and not es.ledger.is_foreign:
            return [one]
    return [
        {
            "type": CAUGHT_UP,
            "status": "False",
            "reason": SUSPENDED,
            "message": "What changed during a suspension has not been looked for yet.",
            "observedGeneration": es.generation,
            "lastTransitionTime": now,
        }
    ]


def _ready(es: ExternalSecret) -> Mapping[str, Any] | None:
    for condition in es.status.get("conditions") or []:
        if condition.get("type") == "Ready" and not es.ledger.is_foreign:
            found: Mapping[str, Any] = condition
            return found
    return None


def _reason(outcome: Outcome) -> str:
    if outcome.is_suspended:
        return SUSPENDED
    return outcome.remark or "Synced" if outcome.error is None else outcome.error.reason


def _says_the_same(
    ready: Mapping[str, Any], former: Mapping[str, Any] | None, outcome: Outcome
) -> bool:
    """Success over success with nothing synced: a newer wording alone is worth no write."""
    if former is None or outcome.error is not None or outcome.synced:
        return False
    return all(former.get(name) == ready[name] for name in ready if name != "message")


def _message(es: ExternalSecret, outcome: Outcome) -> str:
    if outcome.is_suspended:
        return SUSPENDED_MESSAGE
    if outcome.error is not None:
        return _clean(outcome.error.message)
    return _clean(" ".join([*outcome.news, _in_step(es, outcome)]))


def _in_step(es: ExternalSecret, outcome: Outcome) -> str:
    """The heard and synced view of the ledger, which `kubectl get -o wide` cannot fold itself."""
    entries = outcome.entries or ()
    leaves = {
        entry: outcome.synced.get(entry) or es.ledger.entry(entry).synced for entry in entries
    }
    count = f"{len(leaves)} key{'s' * (len(leaves) != 1)} in step"
    last = max(leaves, key=lambda entry: _at(leaves[entry]), default=None)
    synced = None if last is None else leaves[last]
    if last is None or synced is None:
        return f"{count}."
    heard = es.ledger.entry(last).heard
    if heard is not None and heard.id == synced.note:
        return f"{count}; last heard by {heard.via} at {heard.at}, synced at {synced.at}."
    return f"{count}; last synced at {synced.at} ({synced.via})."


def _at(synced: Synced | None) -> str:
    return "" if synced is None else synced.at or ""


def _clean(message: str) -> str:
    """As kubernetes-external-secrets cleans messages: no line breaks, single spaces, no tabs."""
    text = re.sub(r"[\r\n]+", "", message)
    text = re.sub(r" {2,}", " ", text).replace("\t", " ")
    return text[:_LONGEST_MESSAGE]
