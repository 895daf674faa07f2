"""What somebody announces by himself."""

import json
from typing import Any

import pytest
from hypothesis import given

from externalsecret.identity import (
    SecretId,
    google_secret,
    key_vault,
    parameter,
    secrets_manager,
    vault,
)
from fakes.bodies import (
    CANARY,
    ENTROPY,
    Parser,
    drawn,
    facts,
    reordered,
    ten_thousand,
    unknown_fields,
)
from listener.messages import announced
from listener.messages.eventbridge import DERIVED
from listener.messages.meaning import Change, ChangeEvent, Malformed

GUID = "0123456789abcdef0123456789abcdef"
AWS = {"backend": "secretsManager", "region": "eu-west-1", "account": "111122223333"}
GCP = {"backend": "gcpSecretsManager", "projectId": "shop-prod"}
ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"


def event(**data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "7",
        "source": "/pipelines/7",
        "type": "hark.secret.changed",
        "time": "2026-11-23T10:00:00Z",
        "data": data,
    }


def heard(message: dict[str, Any]) -> ChangeEvent:
    meaning = announced.parse(json.dumps(message))
    assert isinstance(meaning, tuple)
    (found,) = meaning
    return found


SAMPLES = [
    event(backend="vault", key="secret/data/app", version="4"),
    event(**AWS, key="prod/db", version="v-1", versionStage="AWSCURRENT"),
    event(**AWS, key=ARN, change="gone"),
    event(backend="systemManager", region="eu-west-1", key="/shop/db", version=4),
    event(**GCP, key="db", location="europe-west3", version="12"),
    event(**GCP, key="projects/1234/secrets/db"),
    event(backend="azureKeyVault", keyVaultName="Shop", key="DB", version=GUID.upper()),
    event(backend="vault", key="secret/data/app", change="back"),
]
PARSER = Parser(SAMPLES, announced.parse)


@pytest.mark.parametrize(
    ("data", "secret", "version", "label"),
    [
        ({"backend": "vault", "key": "/secret//data/app/"}, vault("secret/data/app"), None, None),
        ({"backend": "vault", "key": "kv/data/a", "version": 4}, vault("kv/data/a"), "4", None),
        (
            {**AWS, "key": "prod/db"},
            secrets_manager("prod/db").within(region="eu-west-1", account="111122223333"),
            None,
            None,
        ),
        (
            {**AWS, "key": "prod/db", "version": "v-1"},
            secrets_manager("prod/db").within(region="eu-west-1", account="111122223333"),
            "v-1",
            "AWSCURRENT",
        ),
        (
            {**AWS, "key": "prod/db", "version": "v-1", "versionStage": "blue"},
            secrets_manager("prod/db").within(region="eu-west-1", account="111122223333"),
            "v-1",
            "blue",
        ),
        ({"backend": "secretsManager", "key": ARN}, secrets_manager(ARN), None, None),
        (
            {"backend": "systemManager", "region": "eu-west-1", "key": "/shop/db", "version": "4"},
            parameter("/shop/db").within(region="eu-west-1"),
            "4",
            None,
        ),
        ({**GCP, "key": "db", "version": 12}, google_secret("db", "shop-prod"), "12", None),
        (
            {**GCP, "key": "db", "location": "europe-west3"},
            google_secret("db", "shop-prod", "europe-west3"),
            None,
            None,
        ),
        (
            {"backend": "azureKeyVault", "keyVaultName": "Shop", "key": "DB", "version": "A" * 32},
            key_vault("shop", "db"),
            "a" * 32,
            None,
        ),
    ],
)
def test_each_backend_is_named_as_in_a_manifest(
    data: dict[str, Any], secret: SecretId, version: str | None, label: str | None
) -> None:
    found = heard(event(**data))
    assert found.secret == secret
    assert (found.version, found.label) == (version, label)
    assert (found.change, found.at) == (Change.VALUE, "2026-11-23T10:00:00Z")


@pytest.mark.parametrize("change", list(Change))
def test_what_happened_is_told(change: Change) -> None:
    assert heard(event(backend="vault", key="a/data/b", change=change.value)).change is change


def test_one_id_for_several_changes_tells_them_apart_all_the_same() -> None:
    one = event(backend="vault", key="a/data/b", version=1)
    other = event(backend="vault", key="a/data/b", version=2)
    assert heard(one).id == heard(dict(reversed(one.items()))).id
    assert heard(one).id != heard(other).id
    assert heard(one).id != heard({**one, "time": "2026-11-23T10:00:01Z"}).id


@pytest.mark.parametrize(
    ("time", "version", "is_derived"),
    [("", "", True), (None, 0, True), ("2026-11-23T10:00:00Z", "", False), ("", 4, False)],
)
def test_an_id_that_tells_no_change_from_the_next_asks_for_the_time_of_sending(
    time: str | None, version: str | int, *, is_derived: bool
) -> None:
    data = {"version": version} if version else {}
    told = {**event(backend="vault", key="a/data/b", **data), "time": time}
    assert heard(told).id.startswith(DERIVED) is is_derived


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({**SAMPLES[0], "specversion": "0.3"}, "specversion"),
        ({**SAMPLES[0], "type": "other"}, "type"),
        ({**SAMPLES[0], "id": ""}, "id"),
        ({**SAMPLES[0], "source": None}, "source"),
        ({**SAMPLES[0], "time": "yesterday"}, "RFC 3339"),
        ({**SAMPLES[0], "data": "text"}, "data"),
        (event(backend="other", key="a"), "data.backend"),
        (event(backend="vault"), "data.key"),
        (event(backend="vault", key="a/../b"), "path in Vault"),
        (event(backend="vault", key="//"), "path in Vault"),
        (event(backend="vault", key="a/data/b", version="newest"), "number"),
        (event(backend="vault", key="a/data/b", version=0), "version"),
        (event(backend="vault", key="a/data/b", change="new"), "data.change"),
        (event(backend="secretsManager", key="db"), "data.region"),
        (event(backend="systemManager", key="/", region="eu-west-1"), "names its secret"),
        (event(backend="gcpSecretsManager", key="db"), "data.projectId"),
        (event(backend="azureKeyVault", key="db"), "data.keyVaultName"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(message: dict[str, Any], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        announced.parse(json.dumps(message))


@ten_thousand
@given(ENTROPY)
def test_any_text_has_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        PARSER.understood(PARSER.any_text(choices))


@ten_thousand
@given(ENTROPY)
def test_any_damage_leaves_a_meaning_or_is_malformed(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        PARSER.understood(json.dumps(PARSER.damaged(choices)))


@ten_thousand
@given(ENTROPY)
def test_order_and_unknown_fields_change_nothing(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        message = choices.one_of(SAMPLES)
        other = reordered(message, choices, unknown_fields(choices))
        found = facts(PARSER.understood(json.dumps(other)))
        assert found == facts(PARSER.understood(json.dumps(message)))


@ten_thousand
@given(ENTROPY)
def test_no_part_of_a_body_is_shown_by_a_refusal(entropy: list[bytes]) -> None:
    for choices in drawn(entropy):
        shown = PARSER.shown_by(PARSER.with_canary(choices))
        assert CANARY not in shown
        assert "Error" not in shown
