"""From a changed secret to those who read it."""

import threading
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.identity import (
    SecretId,
    key_vault_url,
    parameter,
    secrets_manager,
    secrets_manager_arn,
)
from externalsecret.ledger import Heard, Synced
from externalsecret.manifest import read_manifest
from externalsecret.reference import Reference
from externalsecret.reflect import Key, Reflector
from fakes.kubeapi import FakeKubeApi
from listener.concern import concerns
from listener.index import Index
from listener.messages.meaning import Change, ChangeEvent
from listener.recent import Recent
from listener.standing import Standing

DEFAULTS = Defaults(region="eu-west-1")
GROUP = "/apis/kubernetes-client.io/v1"


def _index(instance_id: str = "") -> Index:
    return Index(DEFAULTS, instance_id, Recent(), lambda _key, _missed: None)


def _object(
    name: str, *keys: str, namespace: str = "shop", version: int = 1, **spec: Any
) -> dict[str, Any]:
    wanted = {
        "backendType": "secretsManager",
        "data": [{"key": key, "name": f"n{place}"} for place, key in enumerate(keys)],
        **spec,
    }
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": f"uid-{namespace}-{name}",
        "resourceVersion": str(version),
    }
    return {"metadata": metadata, "spec": wanted}


def _path_reader(name: str, path: str, *, recursive: bool = False) -> dict[str, Any]:
    item = {"path": path, "recursive": recursive}
    return _object(name, backendType="systemManager", data=[item])


def _event(secret: SecretId) -> ChangeEvent:
    here = secret.within(region="eu-west-1", account="1", partition="aws")
    return ChangeEvent(here, Change.VALUE, "e1", "")


def _found(index: Index, secret: SecretId) -> list[Key]:
    return [target.key for target in index.lookup(_event(secret))]


def _arn(name: str, region: str = "eu-west-1", account: str = "1", partition: str = "aws") -> str:
    return f"arn:{partition}:secretsmanager:{region}:{account}:secret:{name}"


def _of_aws(arn: str) -> SecretId:
    found = secrets_manager_arn(arn)
    assert found is not None
    return found


def _with_leaf(
    obj: dict[str, Any], heard: Heard | None = None, synced: Synced | None = None
) -> dict[str, Any]:
    """The object with one entry in its ledger."""
    (entry,) = read_manifest(obj["spec"], DEFAULTS).references
    leaves: dict[str, Any] = {}
    if heard is not None:
        leaves["heard"] = heard.leaf()
    if synced is not None:
        leaves["synced"] = synced.leaf()
    status = {"uid": obj["metadata"]["uid"], "keys": {entry: leaves}}
    return {**obj, "status": status}


def _synced(
    obj: Mapping[str, Any],
    resource: str,
    *,
    fingerprint: str | None = None,
    note: str | None = None,
    version: str | None = "v1",
) -> Synced:
    manifest = read_manifest(obj["spec"], DEFAULTS)
    (entry,) = manifest.references
    own = manifest.fingerprint(entry) if fingerprint is None else fingerprint
    return Synced(note, version, None, None, resource, (), own)


def test_a_change_finds_all_who_read_the_secret_and_nobody_else() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    index.upsert(_object("two", "other", "db"))
    index.upsert(_object("three", "other"))
    assert _found(index, secrets_manager("db")) == [("shop", "one"), ("shop", "two")]


@pytest.mark.parametrize(
    "change",
    [
        _arn("db-abcdef", region="eu-west-2"),
        _arn("db-abcdef", account="2"),
        _arn("db-abcdef", partition="aws-cn"),
    ],
)
def test_the_same_name_elsewhere_is_another_secret(change: str) -> None:
    index = _index()
    role = "arn:aws:iam::1:role/reader"
    index.upsert(_object("one", "db", roleArn=role))
    assert not _found(index, _of_aws(change))
    assert _found(index, _of_aws(_arn("db-abcdef")))


def test_a_reader_of_another_region_is_found_by_changes_there() -> None:
    index = _index()
    index.upsert(_object("one", "db", region="us-east-1"))
    assert not _found(index, _of_aws(_arn("db-abcdef")))
    assert _found(index, _of_aws(_arn("db-abcdef", region="us-east-1")))


@pytest.mark.parametrize("key", ["db", _arn("db-abcdef"), _arn("db")])
def test_name_and_arn_mean_the_same_secret(key: str) -> None:
    index = _index()
    index.upsert(_object("one", key))
    assert _found(index, _of_aws(_arn("db-abcdef"))) == [("shop", "one")]


def test_a_secret_made_anew_under_its_name_is_found_by_its_old_arn() -> None:
    index = _index()
    index.upsert(_object("one", _arn("db-abcdef")))
    assert _found(index, _of_aws(_arn("db-uvwxyz"))) == [("shop", "one")]


def test_a_name_that_ends_like_a_suffix_is_read_both_ways() -> None:
    index = _index()
    index.upsert(_object("one", _arn("db-secret")))
    assert _found(index, _of_aws(_arn("db-secret-abcdef"))) == [("shop", "one")]
    assert _found(index, _of_aws(_arn("db-abcdef"))) == [("shop", "one")]


def test_a_plain_name_that_ends_like_a_suffix_is_read_as_it_stands() -> None:
    index = _index()
    index.upsert(_object("one", "db-secret"))
    assert _found(index, _of_aws(_arn("db-secret-abcdef"))) == [("shop", "one")]
    assert not _found(index, _of_aws(_arn("db-abcdef")))


def test_what_the_read_told_makes_the_match_exact() -> None:
    index = _index()
    reader = _object("one", _arn("db-secret"))
    synced = _synced(reader, _arn("db-secret-abcdef"))
    index.upsert(_with_leaf(reader, synced=synced))
    assert _found(index, _of_aws(_arn("db-secret-abcdef"))) == [("shop", "one")]
    assert not _found(index, _of_aws(_arn("db-abcdef")))


def test_the_account_is_learned_from_the_read() -> None:
    index = _index()
    reader = _object("one", "db")
    assert _taken(index, reader, _of_aws(_arn("db-abcdef", account="2")))
    synced = _synced(reader, _arn("db-abcdef"))
    assert not _taken(index, _with_leaf(reader, synced=synced), _of_aws(_arn("db-a", account="2")))


def test_a_secret_of_a_key_vault_is_found_by_its_identifier_whatever_its_case() -> None:
    index = _index()
    url = "https://Shop.vault.azure.net/secrets/DB/0123456789abcdef0123456789abcdef"
    named = key_vault_url(url)
    elsewhere = key_vault_url("https://shop2.vault.azure.net/secrets/db")
    assert named is not None
    assert elsewhere is not None
    reader = _object("one", "Db", backendType="azureKeyVault", keyVaultName="shop")
    for known in (reader, _with_leaf(reader, synced=_synced(reader, url.lower()))):
        assert _taken(index, known, named[0]) == [("shop", "one")]
        assert not _found(index, elsewhere[0])


def _taken(index: Index, obj: dict[str, Any], secret: SecretId) -> list[Key]:
    index.upsert(obj)
    return _found(index, secret)


def test_what_a_read_under_another_spec_told_is_ignored() -> None:
    index = _index()
    reader = _object("one", "db")
    synced = _synced(reader, _arn("older-abcdef"), fingerprint="of another spec")
    index.upsert(_with_leaf(reader, synced=synced))
    assert _found(index, _of_aws(_arn("db-abcdef"))) == [("shop", "one")]
    assert not _found(index, _of_aws(_arn("older-abcdef")))


def test_the_ledger_of_another_uid_teaches_nothing() -> None:
    index = _index()
    reader = _object("one", "db")
    restored = _with_leaf(reader, synced=_synced(reader, _arn("older-abcdef")))
    restored["status"]["uid"] = "of its predecessor"
    index.upsert(restored)
    assert _found(index, _of_aws(_arn("db-abcdef"))) == [("shop", "one")]


@pytest.mark.parametrize(
    ("path", "recursive", "member", "is_found"),
    [
        ("/shop", False, "/shop/db", True),
        ("/shop/", False, "/shop/db", True),
        ("/shop", False, "/shop/db/user", False),
        ("/shop", True, "/shop/db/user", True),
        ("/shop", True, "/shopping/db", False),
        ("/shop", True, "/shop", False),
        ("/shop/db", True, "/shop/other", False),
        ("/", False, "/db", True),
        ("/", False, "/shop/db", False),
        ("/", True, "/shop/db/user", True),
        ("/", True, "db", True),
    ],
)
def test_a_path_is_found_by_what_lies_below_it(
    *, path: str, recursive: bool, member: str, is_found: bool
) -> None:
    index = _index()
    index.upsert(_path_reader("one", path, recursive=recursive))
    assert _found(index, parameter(member)) == ([("shop", "one")] if is_found else [])


def test_a_path_in_another_region_is_not_found() -> None:
    index = _index()
    reader = _path_reader("one", "/shop")
    reader["spec"]["region"] = "us-east-1"
    index.upsert(reader)
    assert not _found(index, parameter("/shop/db"))


def test_a_parameter_is_no_secret_of_the_same_name() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    assert not _found(index, parameter("db"))


def test_an_older_state_never_replaces_a_newer_one() -> None:
    index = _index()
    index.upsert(_object("one", "new", version=7))
    index.upsert(_object("one", "old", version=6))
    assert _found(index, secrets_manager("new"))
    assert not _found(index, secrets_manager("old"))


def test_a_newer_state_leaves_nothing_of_the_older_one() -> None:
    index = _index()
    index.upsert(_object("one", "old", version=6))
    index.upsert(_object("one", "new", version=10))
    assert not _found(index, secrets_manager("old"))
    assert _found(index, secrets_manager("new"))


def test_what_is_removed_is_not_found() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    index.remove(_object("one", "db", version=2))
    assert not _found(index, secrets_manager("db"))
    assert not index


def test_the_reply_to_a_note_brings_back_nothing_that_is_gone() -> None:
    index = _index()
    index.upsert(_object("one", "db", version=1))
    index.remove(_object("one", "db", version=3))
    index.refresh(_object("one", "db", version=2))
    assert not index


def test_a_list_drops_what_is_gone() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    index.upsert(_object("two", "db"))
    index.listed({("shop", "two")})
    assert _found(index, secrets_manager("db")) == [("shop", "two")]


def test_a_list_of_one_namespace_speaks_for_no_other() -> None:
    index = _index()
    index.upsert(_object("one", "db", namespace="a"))
    index.upsert(_object("one", "db", namespace="b"))
    index.listed(set(), "a")
    assert _found(index, secrets_manager("db")) == [("b", "one")]


def test_only_objects_of_this_installation_are_found() -> None:
    index = _index("blue")
    index.upsert(_object("ours", "db", controllerId="blue"))
    index.upsert(_object("theirs", "db", controllerId="green"))
    index.upsert(_object("nobodys", "db"))
    assert _found(index, secrets_manager("db")) == [("shop", "ours")]


def test_an_object_that_is_handed_to_another_installation_is_let_go() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    index.upsert(_object("one", "db", version=2, controllerId="green"))
    assert not _found(index, secrets_manager("db"))


def test_an_object_that_nobody_understands_harms_no_other() -> None:
    index = _index()
    index.upsert(_object("odd", "db", backendType="abacus"))
    index.upsert(_object("one", "db"))
    assert _found(index, secrets_manager("db")) == [("shop", "one")]


def test_a_target_tells_the_note_that_stands_and_the_one_that_was_served() -> None:
    index = _index()
    reader = _object("one", "db")
    heard = Heard("e2", None, None, "sqs")
    index.upsert(_with_leaf(reader, heard, _synced(reader, "", note="e1")))
    (target,) = index.lookup(_event(secrets_manager("db")))
    assert (target.heard, target.served) == ("e2", "e1")
    assert target.has(heard)
    assert target.has(Heard("e1", None, None, "sqs"))
    assert not target.has(Heard("e3", None, None, "sqs"))


@pytest.mark.parametrize(
    ("note", "version", "expected"), [("e1", "v1", True), ("e2", "v1", False), ("e1", "v2", False)]
)
def test_a_note_is_uncovered_until_a_read_served_it_or_read_its_version(
    *, note: str, version: str, expected: bool
) -> None:
    index = _index()
    reader = _object("one", "db")
    heard = Heard("e2", "v2", None, "sqs")
    index.upsert(_with_leaf(reader, heard, _synced(reader, "", note=note, version=version)))
    assert (list(index.standing(("shop", "one")).uncovered.values()) == [heard]) is expected


def test_of_an_unknown_object_no_note_is_uncovered() -> None:
    assert _index().standing(("shop", "one")) == Standing()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The entries that a look-up had to judge."""
    seen: list[str] = []

    def counting(reference: Reference, event: ChangeEvent) -> bool:
        seen.append(reference.entry)
        return concerns(reference, event)

    monkeypatch.setattr("listener.index.concerns", counting)
    return seen


def test_a_lookup_costs_the_number_of_matches(judged: list[str]) -> None:
    index = _index()
    for number in range(300):
        index.upsert(_object(f"other-{number}", f"other-{number}"))
    for number in range(3):
        index.upsert(_object(f"one-{number}", "db", f"beside-{number}"))
    assert len(_found(index, secrets_manager("db"))) == 3
    assert len(judged) == 3


def test_secrets_that_nobody_reads_leave_no_trace() -> None:
    index = _index()
    index.upsert(_object("one", "db"))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(1000):
            assert not _found(index, secrets_manager(f"unused-{number}"))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100_000


def test_a_change_heard_before_its_reader_is_noted_when_the_reader_appears() -> None:
    missed: list[tuple[Key, Mapping[str, Heard]]] = []
    recent = Recent()
    index = Index(DEFAULTS, "", recent, lambda key, notes: missed.append((key, notes)))
    recent.remember(_event(secrets_manager("db")), "sqs")
    index.upsert(_object("one", "db"))
    ((key, notes),) = missed
    assert key == ("shop", "one")
    assert [note.id for note in notes.values()] == ["e1"]


def test_of_two_changes_before_its_reader_appears_neither_hides_the_other() -> None:
    recent = Recent()
    reader = _reader_of("db")
    for identity, version in (("e2", "v2"), ("e1", "v1")):
        event = replace(_event(secrets_manager("db")), id=identity, version=version)
        recent.remember(replace(event, label="AWSCURRENT"), "sqs")
    note = recent.note_for(reader)
    assert note is not None
    assert note.id.startswith("e1+")
    assert note.version is None


def test_two_changes_of_one_id_are_both_remembered() -> None:
    recent = Recent()
    for name in ("db", "other"):
        recent.remember(_event(secrets_manager(name)), "sqs")
    for name in ("db", "other"):
        assert recent.note_for(_reader_of(name)) is not None


def _reader_of(name: str) -> Reference:
    (reference,) = read_manifest(_object("one", name)["spec"], DEFAULTS).references.values()
    return reference


def test_one_id_for_two_secrets_upsets_nobody() -> None:
    now = [0.0]
    recent = Recent(lambda: now[0])
    recent.remember(_event(secrets_manager("db")), "sqs")
    recent.remember(_event(secrets_manager("other")), "sqs")
    now[0] = 1000.0
    recent.remember(_event(secrets_manager("third")), "sqs")
    now[0] = 2000.0
    recent.remember(_event(secrets_manager("db")), "sqs")


def test_watches_of_two_namespaces_share_an_index() -> None:
    api = FakeKubeApi()
    for namespace in ("one", "two"):
        path = f"{GROUP}/namespaces/{namespace}/externalsecrets"
        api.seed(f"{path}/db", _object("db", "db", namespace=namespace))
    index = _index()
    stop = threading.Event()
    for namespace in ("one", "two"):
        path = f"{GROUP}/namespaces/{namespace}/externalsecrets"
        reflector = Reflector(api, path, index, stop=stop)
        threading.Thread(target=reflector.run, daemon=True).start()
        assert reflector.synced.wait(5)
    assert _found(index, secrets_manager("db")) == [("one", "db"), ("two", "db")]
    stop.set()
    api.end_watches()
