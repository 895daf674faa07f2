"""Who may announce what."""

import json
from pathlib import Path
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.identity import (
    SecretId,
    google_secret,
    key_vault,
    parameter,
    secrets_manager,
    vault,
)
from listener.webhook.callers import Callers, read_callers
from worlds.webhook import BEARER, CLOUD_EVENTS, Hook, announcement, grid_event

REGION = {"region": "eu-west-1"}
ACCOUNT = {"account": "111122223333"}


def callers(*lines: str) -> Callers:
    """One caller with one scope."""
    scope = "".join(f"      {line}\n" for line in lines)
    return read_callers(f"- secret: ci\n  announces:\n    -\n{scope}", "secret")


@pytest.mark.parametrize(
    ("scope", "within", "without"),
    [
        (
            ["backend: vault", "prefix: /secret/data/shop/"],
            [vault("secret/data/shop/db")],
            [
                vault("secret/data/shopping"),
                vault("secret/data/app"),
                parameter("secret/data/shop/"),
            ],
        ),
        (
            ["backend: secretsManager", "region: eu-west-1", 'account: "111122223333"'],
            [secrets_manager("db").within(**REGION, **ACCOUNT)],
            [
                secrets_manager("db").within(**REGION),
                secrets_manager("db").within(region="eu-west-2", **ACCOUNT),
                secrets_manager("db").within(**REGION, account="999988887777"),
            ],
        ),
        (
            ["backend: secretsManager", "prefix: prod/db-AbC"],
            [secrets_manager("prod/db-AbCdEf")],
            [
                secrets_manager(
                    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf"
                )
            ],
        ),
        (
            ["backend: systemManager", "prefix: /shop/"],
            [parameter("/shop/db")],
            [parameter("/shopping/db")],
        ),
        (
            ["backend: gcpSecretsManager", "projectId: shop-prod"],
            [google_secret("db", "shop-prod"), google_secret("db", "shop-prod", "europe-west3")],
            [google_secret("db"), google_secret("db", "shop-test")],
        ),
        (
            ["backend: gcpSecretsManager", "location: global"],
            [google_secret("db", "shop-prod")],
            [google_secret("db", "shop-prod", "europe-west3")],
        ),
        (
            ["backend: azureKeyVault", "keyVaultName: Shop", "prefix: DB-"],
            [key_vault("SHOP", "db-1")],
            [key_vault("shop", "mail"), key_vault("other", "db-1")],
        ),
    ],
)
def test_a_scope_covers_what_names_each_of_its_parts(
    scope: list[str], within: list[SecretId], without: list[SecretId]
) -> None:
    found = callers(*scope)
    assert all(found.may_announce("ci", secret) for secret in within)
    assert not any(found.may_announce("ci", secret) for secret in without)
    assert not any(found.may_announce("stranger", secret) for secret in within)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "callers: []",
        "- secret: ci",
        "- secret: ci\n  announces: []",
        "- secret: ''\n  announces: [{backend: vault}]",
        "- application: ci\n  announces: [{backend: vault}]",
        "- secret: ci\n  announces: [{backend: other}]",
        "- secret: ci\n  announces: [{backend: vault, region: eu-west-1}]",
        "- secret: ci\n  announces: [{backend: secretsManager, account: 111122223333}]",
        "- secret: ci\n  announces: [{backend: secretsManager, account: ''}]",
        "- secret: ci\n  announces: [{backend: azureKeyVault, keyVaultName: ' '}]",
        "- secret: ci\n  announces: [{backend: vault}]\n" * 2,
    ],
)
def test_a_file_that_leaves_anything_open_is_refused(text: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        read_callers(text, "secret")
    assert refusal.value.reason == "InvalidCallers"


@pytest.mark.parametrize(
    "other",
    [
        announcement("sys/data/other"),
        announcement("db", backend="azureKeyVault", keyVaultName="other"),
        announcement("db", backend="gcpSecretsManager", projectId="shop-prod"),
    ],
)
def test_a_change_outside_of_the_scopes_refuses_the_whole_request(
    hook: Hook, other: dict[str, Any]
) -> None:
    answer = hook.post(announcement("secret/data/app"), other)
    assert answer.status == 403
    assert not hook.heard


def test_of_a_field_that_stands_twice_the_one_is_heard_that_was_judged(hook: Hook) -> None:
    within, without = announcement("secret/data/app"), announcement("sys/data/other")
    for first, last, status in ((without, within, 200), (within, without, 403)):
        twice = f'{{"data": {json.dumps(first["data"])}, {json.dumps(last)[1:]}'
        headers = {**BEARER, "Content-Type": CLOUD_EVENTS}
        assert hook.request("POST", "/v1/changes", twice.encode(), headers).status == status
    assert hook.heard == ["secret/data/app"]


def test_event_grid_is_bound_to_scopes_too(hook: Hook) -> None:
    headers = {**BEARER, "aeg-subscription-name": "shop-events"}
    answer = hook.post(grid_event("db", "other"), path="/v1/eventgrid", headers=headers)
    assert answer.status == 403
    assert not hook.heard


def test_callers_may_change_while_it_runs(hook: Hook, tmp_path: Path) -> None:
    event = announcement("kv/data/app")
    file = tmp_path / "callers.yaml"
    assert hook.post(event).status == 403
    file.write_text("- secret: pipeline\n  announces: [{backend: vault, prefix: kv/}]")
    assert hook.post(event).status == 200
    file.write_text("nonsense")
    assert hook.post(event).status == 200, "what was read before is kept"
    assert hook.sample("webhook_reload_failures_total", reason="InvalidCallers") == 1
    file.write_text("- secret: another\n  announces: [{backend: vault, prefix: kv/}]")
    assert hook.post(event).status == 403


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("region: ' eu-west-1 '", "region: eu-west-1"),
        ("prefix: ' shop/ '", "prefix: shop/"),
    ],
)
def test_blanks_around_a_part_of_a_scope_mean_nothing(written: str, meant: str) -> None:
    def read(part: str) -> Callers:
        return read_callers(
            f"[{{application: a, announces: [{{backend: secretsManager, {part}}}]}}]", "application"
        )

    assert read(written) == read(meant)


def test_a_slash_alone_is_the_root_of_a_vault() -> None:
    def read(scope: str) -> Callers:
        return read_callers(f"[{{application: a, announces: [{{{scope}}}]}}]", "application")

    assert read("backend: vault, prefix: /") == read("backend: vault")
