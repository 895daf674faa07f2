"""Azure Key Vault: what the contract of all backends does not say."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.reference import Reference
from reconciler.backends.azureaccess import AzureAccess
from reconciler.backends.azureerrors import translated
from reconciler.backends.contract import CannotLook, Look, Value, Versions
from reconciler.backends.keyvault import KeyVault
from testbed import entra
from testbed.azurecall import Answer, Call, refusal
from worlds.backends import Trouble
from worlds.keyvault import KeyVaultWorld
from worlds.spine import unique

LONG_AGO = time.time() - 3600


def _look(world: KeyVaultWorld, one: Reference) -> Look:
    return world.backend.look([one])[one.entry]


def _error(world: KeyVaultWorld, name: str = "db") -> HarkError:
    read = world.read(world.current(name))
    assert isinstance(read, HarkError)
    assert read.message.endswith((".", name)), read.message
    return read


def _references(world: KeyVaultWorld, count: int, *, at: float | None = None) -> list[Reference]:
    names = [f"k{number}" for number in range(count)]
    for name in names:
        world.azure.vaults.put(world.vault, name, name, at=at)
    return [world.current(name) for name in names]


# Economy.


def test_a_hundred_values_cost_a_hundred_calls_and_one_login(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 100)
    answers = key_vault.backend.read(references)
    assert all(isinstance(read, Value) for read in answers.values())
    counts = key_vault.azure.counts()
    assert counts.pop("discovery", 0) <= 2
    assert counts == {"challenge": 1, "token": 1, "get": 100}


def test_flights_that_start_together_share_one_challenge_and_login(
    key_vault: KeyVaultWorld,
) -> None:
    references = _references(key_vault, 40)
    with ThreadPoolExecutor(4) as flights:
        found = list(
            flights.map(lambda start: key_vault.backend.read(references[start::4]), range(4))
        )
    assert sum(len(answers) for answers in found) == 40
    counts = key_vault.azure.counts()
    assert (counts["challenge"], counts["token"], counts["get"]) == (1, 1, 40)


def test_vaults_share_one_login(key_vault: KeyVaultWorld) -> None:
    vaults = [unique("kv") for _ in range(4)]
    for vault in vaults:
        key_vault.azure.vaults.create(vault)
        key_vault.azure.vaults.put(vault, "db", "x")
    backends = [key_vault.open(key_vault.access, vault) for vault in vaults]
    one = key_vault.current("db")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda backend: backend.read([one])[one.entry], backends))
    assert all(isinstance(read, Value) for read in answers)
    assert key_vault.azure.counts()["token"] == 1


def test_calls_are_made_at_the_same_time(key_vault: KeyVaultWorld) -> None:
    both, calls = threading.Barrier(2), itertools.count()

    def meet(call: Call) -> Answer | None:
        # The first flies alone, to see whether it may. Of the others each waits for another one.
        if call.operation == "get" and next(calls) > 0:
            both.wait(60)
        return None

    references = _references(key_vault, 9)
    key_vault.azure.when(meet)
    answers = key_vault.backend.read(references)
    assert all(isinstance(read, Value) for read in answers.values())


def test_two_spellings_of_a_name_cost_one_call(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"x")
    one, other = key_vault.current("db"), key_vault.current("DB")
    answers = key_vault.backend.read([one, other])
    assert answers[one.entry] == answers[other.entry]
    assert key_vault.calls() == 1
    looks = key_vault.backend.sweep([one, other])
    assert looks[one.entry] == looks[other.entry]


def test_the_identity_of_a_value_is_its_url_in_lower_case(key_vault: KeyVaultWorld) -> None:
    version = key_vault.put("db", b"x")
    read = key_vault.read(key_vault.current("DB"))
    assert isinstance(read, Value)
    assert read.resource == f"https://{key_vault.vault}.vault.azure.net/secrets/db/{version}"


# What may befall a secret.


def test_a_disabled_newest_version_is_said_and_the_one_before_is_not_taken(
    key_vault: KeyVaultWorld,
) -> None:
    first = key_vault.put("db", b"first")
    key_vault.put("db", b"second")
    key_vault.azure.vaults.change(key_vault.vault, "db", enabled=False)
    one = key_vault.current("db")
    read, look = key_vault.read(one), _look(key_vault, one)
    for found in (read, look):
        assert isinstance(found, GiveUp)
        assert found.reason == "Disabled"
        assert "enable it" in found.message
    assert key_vault.revealed(key_vault.read(key_vault.pinned("db", first))) == b"first"
    key_vault.azure.vaults.change(key_vault.vault, "db", enabled=True)
    assert key_vault.revealed(key_vault.read(one)) == b"second"


def test_a_disabled_pinned_version_is_said(key_vault: KeyVaultWorld) -> None:
    first = key_vault.put("db", b"first")
    key_vault.put("db", b"second")
    key_vault.azure.vaults.change(key_vault.vault, "db", first, enabled=False)
    one = key_vault.pinned("db", first)
    read, look = key_vault.read(one), _look(key_vault, one)
    assert isinstance(read, GiveUp)
    assert isinstance(look, GiveUp)
    assert read.reason == look.reason == "Disabled"
    assert isinstance(key_vault.read(key_vault.current("db")), Value)


def test_a_pinned_version_that_is_not_there_is_said(key_vault: KeyVaultWorld) -> None:
    version = key_vault.put("db", b"x")
    one = key_vault.pinned("db", "0" * 32)
    read, look = key_vault.read(one), _look(key_vault, one)
    assert isinstance(read, GiveUp)
    assert read.reason == "NotFound"
    assert isinstance(look, Versions)
    assert look.current is None
    assert version in look.known


def test_an_expired_version_is_used_and_said(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"old")
    key_vault.azure.vaults.change(key_vault.vault, "db", expires=1_000_000_000)
    read = key_vault.read(key_vault.current("db"))
    assert isinstance(read, Value)
    assert key_vault.revealed(read) == b"old"
    assert read.remark is not None
    assert read.remark.reason == "SecretExpired"
    assert "2001-09-09T01:46:40Z" in read.remark.message


def test_a_look_and_a_sweep_tell_that_a_version_has_expired_meanwhile(
    key_vault: KeyVaultWorld,
) -> None:
    references = _references(key_vault, 12, at=LONG_AGO)
    pin = key_vault.put("db", b"pinned")
    key_vault.azure.vaults.change(key_vault.vault, "db", expires=4_000_000_000)
    times = [time.time()]
    backend = KeyVault(key_vault.access, key_vault.vault, now=lambda: times[0])
    both = [key_vault.current("db"), key_vault.pinned("db", pin)]
    for now, reason in ((times[0], None), (4_000_000_001.0, "SecretExpired")):
        times[0] = now
        looks = [*backend.look(both).values()]
        swept = backend.sweep([*references, *both])
        looks += [swept[one.entry] for one in both]
        for look in looks:
            assert isinstance(look, Versions)
            assert (look.remark and look.remark.reason, look.current) == (reason, pin)


def test_a_version_that_is_not_yet_valid_is_used_and_said(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"early")
    key_vault.azure.vaults.change(key_vault.vault, "db", not_before=4_000_000_000)
    read = key_vault.read(key_vault.current("db"))
    assert isinstance(read, Value)
    assert read.remark is not None
    assert read.remark.reason == "SecretNotYetValid"


def test_of_a_version_within_its_dates_nothing_is_said(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"x")
    key_vault.azure.vaults.change(
        key_vault.vault, "db", not_before=1_000_000_000, expires=4_000_000_000
    )
    read = key_vault.read(key_vault.current("db"))
    assert isinstance(read, Value)
    assert read.remark is None


def test_a_deleted_secret_is_missed_with_the_command_that_recovers_it(
    key_vault: KeyVaultWorld,
) -> None:
    version = key_vault.put("db", b"x")
    key_vault.delete("db")
    error = _error(key_vault)
    assert error.reason == "NotFound"
    assert f"secret recover --vault-name {key_vault.vault} --name db" in error.message
    key_vault.azure.vaults.recover(key_vault.vault, "db")
    read = key_vault.read(key_vault.current("db"))
    assert isinstance(read, Value)
    assert read.version == version


# Refusals.


@pytest.mark.parametrize(
    ("inner", "said", "reason", "advice"),
    [
        ("ForbiddenByRbac", "Caller is not authorized.", "Denied", "Key Vault Secrets User"),
        ("AccessDenied", "It has no secrets get permission.", "Denied", "get and list"),
        ("ForbiddenByPolicy", "The policy forbids it.", "Denied", "Key Vault Secrets User"),
        ("", "The user does not have secrets get permission.", "Denied", "get and list"),
        (
            "ForbiddenByFirewall",
            "Client address is not authorized.",
            "BlockedByFirewall",
            "network",
        ),
        ("ForbiddenByConnection", "Public access is off.", "BlockedByFirewall", "private endpoint"),
        ("", "Public network access is disabled.", "BlockedByFirewall", "private endpoint"),
        ("SecretDisabled", "Not allowed.", "Disabled", "enable it"),
        ("", "Operation get is not allowed on a disabled secret.", "Disabled", "enable it"),
        ("SecretExpired", "Not allowed.", "Expired", "expiry"),
        ("", "Operation get is not allowed on an expired secret.", "Expired", "new version"),
        ("SecretNotYetValid", "Not allowed.", "NotYetValid", "activation date"),
    ],
)
def test_each_kind_of_403_says_what_to_do(
    key_vault: KeyVaultWorld, inner: str, said: str, reason: str, advice: str
) -> None:
    key_vault.refuse(refusal(403, "Forbidden", said, inner))
    error = _error(key_vault)
    assert isinstance(error, GiveUp)
    assert error.reason == reason
    assert said in error.message
    assert advice in error.message


def test_a_vault_of_another_tenant_is_said(key_vault: KeyVaultWorld) -> None:
    said = "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/x/"
    key_vault.refuse(refusal(401, "Unauthorized", said))
    error = _error(key_vault)
    assert isinstance(error, Retry)
    assert error.reason == "NoCredentials"
    assert "AKV10032" in error.message
    assert "AZURE_TENANT_ID" in error.message


@pytest.mark.parametrize(
    ("named", "after"), [("0", 0), ("12", 12), ("99999", 300), ("-1", None), ("soon", None)]
)
def test_retry_after_is_passed_on(
    key_vault: KeyVaultWorld, named: str, after: float | None
) -> None:
    key_vault.refuse(refusal(429, "Throttled", "Slow down.", headers={"Retry-After": named}))
    error = _error(key_vault)
    assert isinstance(error, Retry)
    assert (error.reason, error.after) == ("Throttled", after)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_the_sdk_does_not_try_again_by_itself(key_vault: KeyVaultWorld, status: int) -> None:
    key_vault.refuse(refusal(status, "Trouble", "Later.", headers={"Retry-After": "60"}))
    began = time.monotonic()
    assert isinstance(_error(key_vault), Retry)
    assert time.monotonic() - began < 60
    assert key_vault.calls() == 1


@pytest.mark.parametrize("status", [200, 400, 403, 404, 502])
@pytest.mark.parametrize("body", [b"<html>canary", b'{"error": "canary"}', b'["canary"]', b""])
def test_an_answer_that_is_not_of_key_vault_shows_nothing_of_itself(
    key_vault: KeyVaultWorld, status: int, body: bytes
) -> None:
    key_vault.refuse(Answer(status, body))
    one = key_vault.current("db")
    for found in (key_vault.read(one), _look(key_vault, one)):
        assert isinstance(found, HarkError | CannotLook), found
        assert "canary" not in str(found)


@pytest.mark.parametrize(
    ("name", "value"), [("db", {}), ("db", {"value": None}), ("other", {"value": "x"})]
)
def test_an_answer_about_nothing_is_no_value(
    key_vault: KeyVaultWorld, name: str, value: dict[str, str | None]
) -> None:
    at = f"https://{key_vault.vault}.vault.azure.net/secrets/{name}/{'a' * 32}"
    key_vault.refuse(Answer(200, {"id": at, "attributes": {"enabled": True}, **value}))
    assert _error(key_vault).reason == "BackendRefused"


@pytest.mark.parametrize("host", ["other.vault.azure.net", "127.0.0.1:9"])
def test_nobody_is_followed_elsewhere(key_vault: KeyVaultWorld, host: str) -> None:
    key_vault.put("db", b"x")
    key_vault.refuse(Answer(307, {}, {"Location": f"https://{host}/secrets/db"}))
    error = _error(key_vault)
    assert f"{key_vault.vault}.vault.azure.net answered with HTTP status 307" in error.message
    assert key_vault.calls() == 1


def test_a_value_of_no_characters_is_a_value(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"")
    assert key_vault.revealed(key_vault.read(key_vault.current("db"))) == b""


def test_text_that_is_no_unicode_is_said(key_vault: KeyVaultWorld) -> None:
    key_vault.azure.vaults.put(key_vault.vault, "db", "\ud800")
    assert _error(key_vault).reason == "BadValue"


def test_a_strangers_challenge_gets_no_token(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"x")
    challenge = 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://a.b"'
    key_vault.refuse(Answer(401, {}, {"WWW-Authenticate": challenge}), "challenge")
    error = _error(key_vault)
    assert isinstance(error, Retry)
    assert "AZURE_KEY_VAULT_DNS_SUFFIX" in error.message
    assert key_vault.azure.counts()["token"] == 0


# The way there.


def test_a_vault_that_does_not_exist_is_said(key_vault: KeyVaultWorld) -> None:
    backend = key_vault.open(key_vault.access, unique("nowhere"))
    one = key_vault.current("db")
    read = backend.read([one])[one.entry]
    backend.close()
    assert isinstance(read, Retry)
    assert read.reason == "BackendUnreachable"
    assert "spec.keyVaultName" in read.message
    assert "proxy at 127.0.0.1:" in read.message


def test_a_host_that_does_not_exist_is_said(
    key_vault: KeyVaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    access = AzureAccess(replace(key_vault.settings, dns_suffix="vault.invalid"))
    backend = key_vault.open(access)
    one = key_vault.current("db")
    read = backend.read([one])[one.entry]
    access.close()
    assert isinstance(read, Retry)
    assert read.reason == "BackendUnreachable"
    assert f"{key_vault.vault}.vault.invalid" in read.message
    assert "private DNS zone" in read.message


def test_an_unknown_authority_of_certificates_is_not_trusted(
    key_vault: KeyVaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_vault.put("db", b"x")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    error = _error(key_vault)
    assert isinstance(error, Retry)
    assert error.reason == "BackendUnreachable"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(key_vault.azure.ca_file))
    assert key_vault.revealed(key_vault.read(key_vault.current("db"))) == b"x"


def test_a_proxy_that_only_http_proxy_names_is_taken(
    key_vault: KeyVaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_vault.put("db", b"x")
    monkeypatch.delenv("HTTPS_PROXY")
    access = AzureAccess(replace(key_vault.settings, proxy=key_vault.azure.url))
    one = key_vault.current("db")
    assert isinstance(key_vault.open(access).read([one])[one.entry], Value)
    access.close()


def test_a_password_of_the_proxy_is_never_said(key_vault: KeyVaultWorld) -> None:
    proxy = "http://user:canary@127.0.0.1:9"
    access = AzureAccess(replace(key_vault.settings, proxy=proxy))
    one = key_vault.current("db")
    read = key_vault.open(access).read([one])[one.entry]
    access.close()
    assert isinstance(read, Retry)
    assert "canary" not in read.message
    assert "127.0.0.1:9" in read.message


def test_what_was_closed_opens_anew(key_vault: KeyVaultWorld) -> None:
    key_vault.put("db", b"x")
    one = key_vault.current("db")
    assert isinstance(key_vault.read(one), Value)
    key_vault.backend.close()
    assert isinstance(key_vault.read(one), Value)
    key_vault.access.close()
    assert isinstance(key_vault.read(one), Value)


def test_the_settings_proxy_is_passed_by_where_no_proxy_says_so(
    key_vault: KeyVaultWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("NO_PROXY", ".vault.invalid")
    settings = replace(key_vault.settings, proxy="http://127.0.0.1:9", dns_suffix="vault.invalid")
    access = AzureAccess(settings)
    one = key_vault.current("db")
    read = key_vault.open(access).read([one])[one.entry]
    access.close()
    assert isinstance(read, Retry)
    assert "127.0.0.1" not in read.message
    assert "There is no host" in read.message


def test_a_token_that_is_refused_amid_many_reads_is_a_fault_of_nobody(
    key_vault: KeyVaultWorld,
) -> None:
    references = _references(key_vault, 64)
    challenge = (
        f'Bearer authorization="https://{entra.AUTHORITY}/{entra.TENANT}", '
        'resource="https://vault.azure.net"'
    )
    seen = itertools.count()

    def refuse_some(call: Call) -> Answer | None:
        if call.operation == "get" and next(seen) % 3 == 2:
            return Answer(401, {}, {"WWW-Authenticate": challenge})
        return None

    key_vault.azure.when(refuse_some)
    for _ in range(3):
        answers = key_vault.backend.read(references)
        assert all(isinstance(read, Value | Retry) for read in answers.values())


def test_a_client_that_is_closed_while_it_is_asked_is_no_stranger(
    key_vault: KeyVaultWorld,
) -> None:
    client = key_vault.access.vault(key_vault.vault)
    key_vault.put("db", b"x")
    client.get("db", "")
    client.close()
    with pytest.raises(Retry, match="read again shortly"), translated(client.target("db")):
        client.get("db", "")


# Versions.


def test_the_newest_of_many_versions_is_found_page_by_page(key_vault: KeyVaultWorld) -> None:
    versions = [key_vault.put("db", b"x") for _ in range(60)]
    one = key_vault.current("db")
    look = _look(key_vault, one)
    assert isinstance(look, Versions)
    assert look.current == versions[-1]
    assert set(look.known) == set(versions)
    assert key_vault.azure.counts(key_vault.vault)["versions"] == 3


def test_two_versions_of_one_second_only_a_read_tells_apart(key_vault: KeyVaultWorld) -> None:
    key_vault.azure.vaults.put(key_vault.vault, "db", "x", at=LONG_AGO)
    key_vault.azure.vaults.put(key_vault.vault, "db", "y", at=LONG_AGO)
    one = key_vault.current("db")
    assert isinstance(_look(key_vault, one), CannotLook)
    assert isinstance(key_vault.backend.sweep([one])[one.entry], CannotLook)
    assert isinstance(key_vault.read(one), Value)


def test_what_did_not_change_costs_a_sweep_a_call_for_each_25(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 50, at=LONG_AGO)
    first = key_vault.backend.sweep(references)
    before = key_vault.calls()
    second = key_vault.backend.sweep(references)
    assert key_vault.calls() - before == 2
    assert first == second
    assert all(isinstance(look, Versions) for look in second.values())


def test_what_changed_is_looked_at(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 30, at=LONG_AGO)
    key_vault.backend.sweep(references)
    new = key_vault.put("k3", b"new")
    key_vault.azure.vaults.change(key_vault.vault, "k4", enabled=False)
    key_vault.delete("k5")
    before = key_vault.calls()
    looks = key_vault.backend.sweep(references)
    # Thirty were asked for, so the list ends after its second page, whatever is missing.
    assert key_vault.calls() - before == 2 + 3
    changed = looks[references[3].entry]
    assert isinstance(changed, Versions)
    assert changed.current == new
    reasons = [looks[references[number].entry] for number in (4, 5)]
    assert [look.reason for look in reasons if isinstance(look, GiveUp)] == ["Disabled", "NotFound"]


def test_what_changed_a_moment_before_a_look_is_looked_at_again(
    key_vault: KeyVaultWorld,
) -> None:
    # The list tells whole seconds: a second change within the same one would not show.
    just_now = time.time() - 1
    references = _references(key_vault, 20, at=just_now)
    key_vault.backend.sweep(references)
    for one in references:
        key_vault.azure.vaults.put(key_vault.vault, one.key, "other", at=just_now + 0.5)
        key_vault.azure.vaults.change(key_vault.vault, one.key, updated=int(just_now))
    before = key_vault.azure.counts(key_vault.vault)["versions"]
    key_vault.backend.sweep(references)
    assert key_vault.azure.counts(key_vault.vault)["versions"] == before + 20


def test_a_few_secrets_are_looked_at_without_the_list(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 10)
    key_vault.backend.sweep(references)
    assert key_vault.azure.counts(key_vault.vault)["list"] == 0


def test_a_list_longer_than_it_is_worth_is_not_asked_for_again(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 11)
    for number in range(300):
        key_vault.azure.vaults.put(key_vault.vault, f"a{number:03}", "x")
    looks = key_vault.backend.sweep(references)
    assert all(isinstance(look, Versions) for look in looks.values())
    assert key_vault.azure.counts(key_vault.vault)["list"] == 11
    key_vault.backend.sweep(references)
    assert key_vault.azure.counts(key_vault.vault)["list"] == 11


def test_a_denied_list_is_remembered_and_each_secret_looked_at(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 20)
    key_vault.refuse(refusal(403, "Forbidden", "No.", "ForbiddenByRbac"), "list")
    for _ in range(2):
        looks = key_vault.backend.sweep(references)
        assert all(isinstance(look, Versions) for look in looks.values())
    assert key_vault.azure.counts(key_vault.vault)["list"] == 1


def test_a_throttled_list_is_an_answer_for_all(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 20)
    key_vault.befall(Trouble.THROTTLED)
    looks = key_vault.backend.sweep(references)
    assert all(isinstance(look, Retry) for look in looks.values())
    assert key_vault.calls() == 1


def test_a_list_that_does_not_agree_with_the_looks_is_not_trusted(
    key_vault: KeyVaultWorld,
) -> None:
    references = _references(key_vault, 20, at=LONG_AGO)

    def list_otherwise(call: Call) -> Answer | None:
        if call.operation != "list" or call.vault != key_vault.vault:
            return None
        attributes = {"enabled": True, "created": 1_000_000_000, "updated": 1_000_000_000}
        rows = [
            {"id": f"https://{call.host}/secrets/{one.key}", "attributes": attributes}
            for one in references
        ]
        return Answer(200, {"value": rows, "nextLink": None})

    key_vault.azure.when(list_otherwise)
    key_vault.backend.sweep(references)
    new = key_vault.put("k3", b"new")
    look = key_vault.backend.sweep(references)[references[3].entry]
    assert isinstance(look, Versions)
    assert look.current == new
    # It was of no use, so it was asked for but once.
    assert key_vault.azure.counts(key_vault.vault)["list"] == 1


def test_a_pinned_version_is_swept_by_its_own_state(key_vault: KeyVaultWorld) -> None:
    references = _references(key_vault, 20, at=LONG_AGO)
    pin = key_vault.put("db", b"pinned")
    key_vault.put("db", b"newer")
    one = key_vault.pinned("db", pin)
    assert isinstance(key_vault.backend.sweep([*references, one])[one.entry], Versions)
    key_vault.azure.vaults.change(key_vault.vault, "db", pin, enabled=False)
    look = key_vault.backend.sweep([*references, one])[one.entry]
    assert isinstance(look, GiveUp)
    assert look.reason == "Disabled"
