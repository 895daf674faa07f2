"""What each event of Vault's means, as servers of several releases write it."""

import json
from typing import Any

import pytest

from externalsecret import identity
from externalsecret.dialect.contract import Defaults
from externalsecret.manifest import read_manifest
from listener.messages.meaning import Change, ChangeEvent, Ignored, IgnoredReason, Malformed
from listener.messages.vault import parse
from worlds.vaultevents import AT, EVENTS, ID, event


def meant(message: dict[str, Any], **where: str) -> ChangeEvent:
    meaning = parse(json.dumps(message), **where)
    assert isinstance(meaning, tuple)
    (found,) = meaning
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_tells_its_secret_what_happened_and_the_version(name: str) -> None:
    message, (path, change, version) = EVENTS[name]
    told = f"gone:{ID}" if change is Change.GONE else ID
    assert meant(message) == ChangeEvent(identity.vault(path), change, told, AT, version)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (event("kv-v2/metadata-write", path="secret/metadata/db"), IgnoredReason.NOT_A_CHANGE),
        (event("kv-v2/metadata-patch", path="secret/metadata/db"), IgnoredReason.NOT_A_CHANGE),
        (event("kv-v2/config-write"), IgnoredReason.NOT_A_CHANGE),
        (
            event("kv-v2/data-write", path="secret/data/db", modified="false"),
            IgnoredReason.NOT_A_CHANGE,
        ),
        (event("kv-v2/rewind", path="secret/data/db"), IgnoredReason.OTHER_EVENT),
        (event("database/rotate", path="database/rotate-role/app"), IgnoredReason.OTHER_SERVICE),
        (event("ldap/rotate"), IgnoredReason.OTHER_SERVICE),
    ],
)
def test_what_changes_no_value_is_ignored(message: dict[str, Any], reason: IgnoredReason) -> None:
    assert parse(json.dumps(message)) == Ignored(reason)


@pytest.mark.parametrize(
    ("told", "subscribed", "base", "path"),
    [
        ("", "", "", "secret/data/db"),
        ("team-a/", "", "", "team-a/secret/data/db"),
        ("team-a/", "team-a", "team-a", "secret/data/db"),
        ("team-a/dev/", "team-a/dev", "team-a", "dev/secret/data/db"),
        ("", "team-a/dev", "team-a", "dev/secret/data/db"),
        ("", "team-a", "/team-a/", "secret/data/db"),
    ],
)
def test_the_path_begins_where_manifests_begin_theirs(
    told: str, subscribed: str, base: str, path: str
) -> None:
    message = event("kv-v2/data-write", path="secret/data/db", current_version="1")
    message["data"]["namespace"] = told
    assert meant(message, subscribed=subscribed, base=base).secret == identity.vault(path)


def test_an_event_of_a_namespace_that_no_path_leads_to_is_ignored() -> None:
    message = event("kv-v2/data-write", path="secret/data/db", current_version="1")
    message["data"]["namespace"] = "team-b/"
    ignored = Ignored(IgnoredReason.OTHER_NAMESPACE)
    assert parse(json.dumps(message), "team-a", "team-a") == ignored


def test_the_identity_is_that_of_the_manifest() -> None:
    spec = {
        "backendType": "vault",
        "vaultRole": "app",
        "data": [{"key": "/secret//data/shop/db", "name": "x"}],
    }
    (reference,) = read_manifest(spec, Defaults()).references.values()
    assert meant(EVENTS["a write, with the mount"][0]).secret == reference.secret


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"data": {}}),
        json.dumps({"data": {"event_type": 7}}),
        json.dumps(event("kv-v2/data-write")),
        json.dumps(event("kv-v2/data-write", path="secret/config")),
        json.dumps(event("kv-v2/data-write", path="secret/data/db", current_version="newest")),
        json.dumps(
            {**event("kv-v1/write", path="db"), "id": "", "data": {"event_type": "kv-v1/w"}}
        ).replace("kv-v1/w", "kv-v1/write"),
    ],
)
def test_what_is_no_event_of_vaults_is_malformed_and_not_quoted(body: str) -> None:
    with pytest.raises(Malformed) as problem:
        parse(body)
    assert "secret/" not in str(problem.value)
