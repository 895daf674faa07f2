"""One pass: an object and the backend's answers in; Secret, ledger and condition out."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.errors import GiveUp, Retry
from externalsecret.ledger import Entry, Heard
from externalsecret.manifest import read_manifest
from externalsecret.resource import ExternalSecret, read_resource
from fakes.kubeapi import FakeKubeApi
from fakes.mergepatch import merge_patch
from fakes.resources import DEFAULTS, entry_of, heard, raw, spec
from reconciler.apply import SecretWriter
from reconciler.attempt import Attempt
from reconciler.backends.memory import MemoryBackend
from reconciler.evidence import confirmed, served
from reconciler.jobs import Known
from reconciler.live import LiveSecrets
from reconciler.metrics import ReconcilerMetrics
from reconciler.reads import Answer, Ask, Verb
from reconciler.report import Outcome, outcome_changed, status_patch
from reconciler.rereads import Rereads

SECRET = "/api/v1/namespaces/team/secrets/shop"
NOW = "2026-01-01T00:00:00.000Z"
KNOWN = Known(100.0, 90.0, lambda _heard: 95.0, lambda _entry: None, lambda _entry: False)
TWO = spec(password="db", page="web")


@dataclass
class Shop:
    """An object in a cluster of its own, and passes over it."""

    wanted: Mapping[str, Any] = field(default_factory=lambda: TWO)
    uid: str = "u1"
    generation: int = 1

    def __post_init__(self) -> None:
        self.status: Any = {}
        self.api = FakeKubeApi()
        self.live = LiveSecrets(lambda _key, _urgent: None)
        self.writer = SecretWriter(self.api, self.live, ReconcilerMetrics(CollectorRegistry()))
        self.backend = MemoryBackend()
        self.rereads = Rereads((1.0, 2.0))
        self.last: Attempt
        self.asked: list[Ask] = []
        for key in ("db", "web"):
            self.backend.put(key, f"{key} v1".encode(), "v1")

    def object(self) -> ExternalSecret:
        shown = raw(
            wanted=self.wanted, status=self.status, generation=self.generation, uid=self.uid
        )
        return read_resource(shown)

    def run(self, known: Known = KNOWN) -> Any:
        """One whole pass; the status patch that came of it."""
        es = self.object()
        found = read_manifest(es.spec, DEFAULTS)
        self.last = one = Attempt(es, found, self.live.get(es.key), NOW)
        one.find_jobs(known)
        self._answer(one)
        rendered = one.render()
        while one.needs(rendered, known):
            self._answer(one)
            rendered = one.render()
        patch = status_patch(es, one.outcome(rendered, self.writer), NOW)
        self.status = merge_patch({"status": self.status}, patch or {})["status"]
        return None if patch is None else patch["status"]

    def _answer(self, one: Attempt) -> None:
        while asks := one.asks():
            self.asked += asks
            found = {}
            for ask in asks:
                call = self.backend.read if ask.verb is Verb.READ else self.backend.look
                entry = ask.reference.entry
                found[ask.verb, entry] = Answer(call([ask.reference])[entry], 100.0)
            one.expect(1)
            assert one.take(found)
            one.advance(self.rereads)

    def hear(self, key: str, note: dict[str, Any]) -> None:
        patch = {"keys": {entry_of(key): {"heard": note}}}
        self.status = merge_patch(self.status, patch)

    def edit(self, wanted: Mapping[str, Any]) -> None:
        self.wanted = wanted
        self.generation += 1

    def spoil(self, patch: dict[str, Any]) -> None:
        """Somebody edits the Secret by hand, and the watch tells."""
        self.api.request("PATCH", SECRET, body=patch, content_type="application/merge-patch+json")
        self.watch()

    def watch(self) -> None:
        self.live.upsert(self.api.request("GET", SECRET))

    def data(self) -> dict[str, bytes]:
        held = self.api.find(SECRET) or {}
        return {name: base64.b64decode(text) for name, text in held.get("data", {}).items()}

    def leaves(self, key: str) -> Entry:
        return self.object().ledger.entry(entry_of(key))

    def ready(self) -> tuple[str, str]:
        (condition,) = self.status["conditions"]
        return (condition["status"], condition["reason"])

    def reads(self) -> int:
        return self.backend.reads.total()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def synced(shop: Shop) -> Shop:
    shop.run()
    shop.backend.reads.clear()
    return shop


def test_a_first_pass_reads_everything_and_says_so(shop: Shop) -> None:
    patch = shop.run()
    assert shop.data() == {"password": b"db v1", "page": b"web v1"}
    leaf = shop.leaves("db").synced
    assert leaf is not None
    assert (leaf.version, leaf.via, leaf.note) == ("v1", "spec", None)
    assert (leaf.feeds, leaf.resource, leaf.at) == (("password",), "memory:db", NOW)
    assert (patch["uid"], patch["status"]) == ("u1", "SUCCESS")
    assert (patch["observedGeneration"], patch["lastSync"]) == (1, NOW)
    assert shop.ready() == ("True", "Synced")
    held = shop.api.find(SECRET)
    assert held is not None
    assert patch["secret"] == {
        "uid": held["metadata"]["uid"],
        "resourceVersion": held["metadata"]["resourceVersion"],
    }


def test_a_second_pass_reads_and_writes_nothing(synced: Shop) -> None:
    before = len(synced.api.requests)
    assert synced.run() is None
    assert synced.reads() == 0
    assert len(synced.api.requests) == before


def test_a_note_makes_one_read_and_one_entry_of_the_secret(synced: Shop) -> None:
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2"))
    patch = synced.run()
    assert synced.data() == {"password": b"db v2", "page": b"web v1"}
    assert synced.reads() == 1
    assert set(patch["keys"]) == {entry_of("db")}
    leaf = synced.leaves("db").synced
    assert leaf is not None
    assert (leaf.note, leaf.version, leaf.via) == ("e2", "v2", "sqs")
    (sent,) = synced.api.made("PATCH", "/secrets/")
    assert set(sent.body["data"]) == {"password"}


def test_what_a_look_has_just_confirmed_is_read_for_the_template_from_whoever_has_it() -> None:
    shop = Shop({**TWO, "template": {"stringData": {"all": "<%= Object.keys(data) %>"}}})
    shop.run()
    shop.watch()
    shop.hear("web", heard("e1"))
    shop.run()
    shop.run()
    shop.backend.put("db", b"db v2", "v2")
    shop.hear("db", heard("e2", "v2"))
    shop.asked.clear()
    shop.run()
    (read,) = [ask for ask in shop.asked if (ask.verb, ask.reference.key) == (Verb.READ, "web")]
    assert read.version == "v1"


def test_a_note_without_version_that_changes_nothing_costs_looks_and_one_word_in_the_ledger(
    synced: Shop,
) -> None:
    synced.hear("db", heard("e2"))
    # The first looks may have been old answers.
    assert [synced.run(), synced.last.patience.wait] == [None, 1.0]
    assert [synced.run(), synced.last.patience.wait] == [None, 2.0]
    patch = synced.run()
    assert synced.last.patience.not_found == []
    assert synced.reads() == 0
    assert patch["keys"][entry_of("db")]["synced"]["note"] == "e2"
    assert not synced.api.made("PATCH", "/secrets/")
    assert "lastSync" not in patch


def test_an_announced_version_that_is_not_there_yet_is_awaited_and_then_let_go(
    synced: Shop,
) -> None:
    synced.hear("db", heard("e2", "v2"))
    waits = []
    for _ in range(3):
        synced.run()
        waits.append(synced.last.patience.wait)
    assert waits == [1.0, 2.0, None]
    assert [(one.key, told) for one, told in synced.last.patience.not_found] == [("db", "v2")]
    leaf = synced.leaves("db").synced
    assert leaf is not None
    assert leaf.note == "e2"
    assert synced.run() is None


def test_a_first_pass_writes_nothing_while_one_key_cannot_be_read(shop: Shop) -> None:
    shop.backend.fail("web", GiveUp("Access to web is denied.", reason="Denied"))
    patch = shop.run()
    assert shop.data() == {}
    assert shop.ready() == ("False", "Denied")
    assert patch["status"] == "ERROR, Access to web is denied."
    assert "keys" not in patch
    assert "lastSync" not in patch


def test_later_a_changed_key_is_written_although_another_fails(synced: Shop) -> None:
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2"))
    synced.hear("web", heard("f2", "v2"))
    synced.backend.fail("web", GiveUp("Access to web is denied.", reason="Denied"))
    synced.run()
    assert synced.data() == {"password": b"db v2", "page": b"web v1"}
    assert synced.ready() == ("False", "Denied")
    assert (synced.leaves("db").synced or Entry()).note == "e2"  # type: ignore[union-attr]
    former = synced.leaves("web").synced
    assert former is not None
    assert former.note is None


def test_a_bad_value_leaves_the_entry_as_it_was(shop: Shop) -> None:
    item = {"key": "db", "name": "password", "property": "word"}
    shop.wanted = {**spec(page="web"), "data": [item, *spec(page="web")["data"]]}
    shop.backend.put("db", b'{"word": "one"}', "v1")
    shop.run()
    shop.backend.put("db", b"no json", "v2")
    shop.hear("db", heard("e2", "v2"))
    shop.run()
    assert shop.data()["password"] == b"one"
    assert shop.ready() == ("False", "BadValue")
    assert "no json" not in str(shop.status)


def test_an_entry_that_the_spec_drops_goes_and_its_leaf_is_nulled(synced: Shop) -> None:
    synced.edit(spec(password="db"))
    patch = synced.run()
    assert synced.data() == {"password": b"db v1"}
    assert patch["keys"] == {entry_of("web"): None}
    assert synced.reads() == 0


def test_what_the_spec_drops_stays_while_anything_fails(synced: Shop) -> None:
    synced.edit(spec(password="dbb"))
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"web v1"}
    assert {entry_of("db"), entry_of("web")} <= synced.status["keys"].keys()


def test_what_the_spec_drops_stays_on_record_while_another_key_is_in_doubt(synced: Shop) -> None:
    synced.edit(spec(password="db"))
    synced.hear("db", heard("e2"))
    synced.run()
    assert synced.data()["page"] == b"web v1"
    assert entry_of("web") in synced.status["keys"]
    while synced.last.patience.wait is not None:
        synced.run()
    assert synced.data() == {"password": b"db v1"}
    assert entry_of("web") not in synced.status["keys"]


def test_a_new_key_is_read_alone(synced: Shop) -> None:
    synced.backend.put("new", b"x", "v1")
    synced.edit(spec(password="db", page="web", extra="new"))
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"web v1", "extra": b"x"}
    assert synced.reads() == 1


def test_a_secret_that_was_deleted_is_made_again(synced: Shop) -> None:
    gone = synced.api.request("GET", SECRET)
    synced.api.request("DELETE", SECRET)
    ended = str(int(gone["metadata"]["resourceVersion"]) + 1)
    synced.live.remove({"metadata": {**gone["metadata"], "resourceVersion": ended}})
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"web v1"}
    leaf = synced.leaves("db").synced
    assert leaf is not None
    assert leaf.via == "spec"


@pytest.mark.parametrize("patch", [{"data": {"page": "eA=="}}, {"data": {"page": None}}])
def test_an_entry_that_somebody_edited_is_repaired(synced: Shop, patch: dict[str, Any]) -> None:
    synced.spoil(patch)
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"web v1"}
    assert synced.run() is None


def test_what_somebody_added_is_his(synced: Shop) -> None:
    synced.spoil({"data": {"theirs": "eA=="}})
    assert synced.run() is None
    assert synced.reads() == 0
    assert synced.data()["theirs"] == b"x"


def test_an_entry_edited_while_its_key_has_a_note_is_repaired_too(synced: Shop) -> None:
    synced.spoil({"data": {"page": "eA=="}})
    synced.hear("web", heard("f2"))
    synced.run()
    assert synced.data()["page"] == b"web v1"
    assert synced.run() is None


def test_a_repair_that_succeeded_in_part_goes_on_at_the_next_pass(synced: Shop) -> None:
    synced.spoil({"data": {"page": "eA==", "password": "eA=="}})
    synced.backend.fail("web", Retry("away", reason="BackendUnavailable"))
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"x"}
    synced.backend.fail("web", None)
    synced.run()
    assert synced.data() == {"password": b"db v1", "page": b"web v1"}


def test_an_edit_just_before_our_own_write_is_repaired_at_the_next_pass(synced: Shop) -> None:
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2"))
    spoilt = {"data": {"page": "eA=="}}
    synced.api.request("PATCH", SECRET, body=spoilt, content_type="application/merge-patch+json")
    synced.run()
    assert synced.last.patience.wait == 0.0
    synced.run()
    assert synced.data() == {"password": b"db v2", "page": b"web v1"}


def test_a_pass_that_ended_before_the_ledger_leaves_no_entry_behind(shop: Shop) -> None:
    shop.wanted = {**spec(), "dataFrom": ["doc"]}
    shop.backend.put("doc", b'{"a": 1, "b": 2}', "v1")
    shop.run()
    shop.status = {}
    shop.backend.put("doc", b'{"a": 1}', "v2")
    shop.run()
    assert shop.data() == {"a": b"1"}


def test_a_roll_back_after_a_pass_that_ended_before_the_ledger_is_written_too(
    synced: Shop,
) -> None:
    before = synced.status
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2"))
    synced.run()
    synced.status = before
    synced.backend.move("db", "AWSCURRENT", "v1")
    synced.hear("db", heard("e3"))
    synced.run()
    assert synced.data()["password"] == b"db v1"
    assert synced.run() is None


def test_the_ledger_of_another_object_counts_for_nothing(synced: Shop) -> None:
    synced.uid = "u2"
    synced.backend.fail("web", GiveUp("Access to web is denied.", reason="Denied"))
    patch = synced.run()
    assert patch["uid"] == "u2"
    assert patch["keys"][entry_of("web")] == {"synced": None}
    assert synced.leaves("web").synced is None
    synced.backend.fail("web", None)
    synced.run()
    assert synced.ready() == ("True", "Synced")
    assert synced.run() is None


def test_a_lost_owner_reference_is_put_back_without_a_read(synced: Shop) -> None:
    synced.spoil({"metadata": {"ownerReferences": []}})
    synced.run()
    live = synced.live.get(("team", "shop"))
    assert live is not None
    assert live.is_owned_by(synced.object())
    assert synced.reads() == 0


def test_what_was_seen_to_be_current_is_told_to_the_others(synced: Shop) -> None:
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2"))
    synced.run()
    assert [one[:2] for one in confirmed(synced.last.verdicts)] == [(entry_of("db"), "v2")]


def test_what_a_spec_read_first_is_no_word_on_what_is_current(shop: Shop) -> None:
    shop.run()
    assert list(confirmed(shop.last.verdicts)) == []


def test_the_notes_are_told_whose_changes_are_in_the_secret(synced: Shop) -> None:
    synced.backend.put("db", b"db v2", "v2")
    synced.hear("db", heard("e2", "v2", "1970-01-01T00:01:00Z"))
    synced.hear("web", heard("f2"))
    synced.run()
    note = Heard("e2", "v2", "1970-01-01T00:01:00Z", "sqs")
    assert served(synced.last.verdicts) == [(entry_of("db"), note)]


def test_a_result_is_for_the_object_and_generation_that_it_was_read_for(synced: Shop) -> None:
    synced.run()
    assert synced.last.is_about(synced.object())
    synced.edit(spec(password="db"))
    assert not synced.last.is_about(synced.object())


def test_several_errors_are_one_sentence_and_the_lasting_one_is_said(shop: Shop) -> None:
    shop.backend.fail("db", Retry("The backend is away.", reason="BackendUnavailable"))
    shop.backend.fail("web", GiveUp("Access to web is denied.", reason="Denied"))
    patch = shop.run()
    assert patch["status"] == "ERROR, Access to web is denied. (and 1 more problem)"


# What the status says, beyond what a pass needs.


def test_conditions_of_others_are_kept_and_the_time_moves_with_the_status_only(
    synced: Shop,
) -> None:
    theirs = {"type": "Theirs", "status": "True"}
    ours = {**synced.status["conditions"][0], "lastTransitionTime": "earlier"}
    synced.status["conditions"] = [theirs, ours]
    error = GiveUp("no\r\n  way  at\tall", reason="Denied")
    patch = status_patch(synced.object(), Outcome(error), NOW)
    assert patch is not None
    kept, ready = patch["status"]["conditions"]
    assert kept == theirs
    assert (ready["status"], ready["reason"]) == ("False", "Denied")
    assert ready["lastTransitionTime"] == NOW
    assert patch["status"]["status"] == "ERROR, no way at all"
    synced.status["conditions"] = [ready | {"lastTransitionTime": "earlier"}]
    again = status_patch(synced.object(), Outcome(GiveUp("other", reason="NotFound")), NOW)
    assert again is not None
    assert again["status"]["conditions"][0]["lastTransitionTime"] == "earlier"


def test_a_very_long_error_is_cut(shop: Shop) -> None:
    patch = status_patch(shop.object(), Outcome(GiveUp("x" * 5000, reason="Denied")), NOW)
    assert patch is not None
    assert len(patch["status"]["status"]) < 1100


def test_an_outcome_is_news_when_its_reason_is_another(synced: Shop) -> None:
    es = synced.object()
    assert not outcome_changed(es, Outcome())
    assert outcome_changed(es, Outcome(GiveUp("no", reason="Denied")))


def test_a_ledger_that_would_be_too_large_is_refused_before_the_secret_is_written(
    shop: Shop,
) -> None:
    members = {f"{number:0>200}": "x" for number in range(1500)}
    shop.backend.put("db", json.dumps(members).encode(), "v1")
    shop.edit({"backendType": "secretsManager", "dataFrom": ["db"]})
    patch = shop.run()
    assert "Split the manifest" in patch["status"]
    assert not shop.api.made("POST", "/secrets")


def test_a_secret_of_somebody_else_is_adopted_and_its_equal_entries_are_stood_for() -> None:
    shop = Shop()
    owner = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "name": "shop",
        "uid": "u1",
    }
    data = {"password": base64.b64encode(b"db v1").decode(), "more": "eA=="}
    shop.api.seed(SECRET, {"metadata": {"ownerReferences": [owner]}, "data": data})
    with pytest.raises(Retry):
        shop.run()
    status = shop.run()
    (ready,) = status["conditions"]
    assert "1 of its entries were equal" in ready["message"]
    assert "1 were written" in ready["message"]
    live = shop.live.get(("team", "shop"))
    assert live is not None
    assert live.owned == {"password", "page"}
    assert live.version == status["secret"]["resourceVersion"]
    assert shop.run() is None


def _optional(entry: str, key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": entry, "optional": True, **more}


def _spec_of(*items: dict[str, Any]) -> dict[str, Any]:
    return {"backendType": "secretsManager", "data": list(items)}


def _entries(shop: Shop) -> dict[str, bytes]:
    held = shop.api.find(SECRET) or {}
    return {name: base64.b64decode(text) for name, text in (held.get("data") or {}).items()}


def test_an_optional_key_that_is_not_there_is_synced_as_nothing_and_asked_once() -> None:
    shop = Shop(_spec_of({"key": "db", "name": "password"}, _optional("more", "extra")))
    status = shop.run()
    assert _entries(shop) == {"password": b"db v1"}
    assert status["keys"][entry_of("extra")]["synced"]["version"] == ""
    (ready,) = status["conditions"]
    assert ready["status"] == "True"
    assert "spec.data[1] (extra)" in ready["message"]
    asked = shop.backend.reads[entry_of("extra")]
    assert shop.run() is None
    assert shop.backend.reads[entry_of("extra")] == asked


def test_a_note_about_an_optional_key_is_looked_for_again_before_it_is_let_go() -> None:
    shop = Shop(_spec_of(_optional("more", "extra")))
    shop.run()
    shop.hear("extra", heard("n1", "v1"))
    shop.run()
    assert shop.last.patience.wait == 1.0
    shop.backend.put("extra", b"came", "v1")
    shop.run()
    assert _entries(shop) == {"more": b"came"}
    assert shop.last.patience.wait is None


def test_a_note_of_its_end_is_covered_after_a_second_look_and_the_entry_stays() -> None:
    shop = Shop(_spec_of(_optional("password", "db")))
    shop.run()
    shop.backend.delete("db")
    shop.hear("db", heard("n1"))
    for _ in range(3):
        status = shop.run()
    assert status["keys"][entry_of("db")]["synced"]["note"] == "n1"
    assert shop.last.patience.wait is None
    assert shop.last.patience.not_found == []
    assert _entries(shop) == {"password": b"db v1"}
    assert shop.run() is None


def test_a_read_that_a_required_item_needs_too_is_an_error() -> None:
    shop = Shop(_spec_of({"key": "extra", "name": "one"}, _optional("two", "extra")))
    assert shop.run()["conditions"][0]["reason"] == "NotFound"


def test_a_weaker_item_has_the_name_until_the_optional_one_is_there() -> None:
    shop = Shop(_spec_of({"key": "db", "name": "password"}, _optional("password", "extra")))
    shop.run()
    assert _entries(shop) == {"password": b"db v1"}
    shop.backend.put("extra", b"stronger", "v1")
    shop.hear("extra", heard("n1", "v1"))
    shop.run()
    assert _entries(shop) == {"password": b"stronger"}
