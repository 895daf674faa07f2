"""Vault as a backend, against OpenBao: what the common contract does not ask."""

import json
import secrets
import threading
import time
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from externalsecret.errors import GiveUp, Retry
from externalsecret.reference import Identity
from reconciler.backends.contract import CannotLook, Value, Versions
from reconciler.backends.vault import Vault
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import Method, VaultSettings
from reconciler.versions import is_incomparable, lease_of
from testbed.actions import answer, before, hang_up, hold_until
from testbed.cluster import Cluster
from testbed.openbao import TOKEN, Bao
from testbed.proxy import WireProxy
from testbed.request import Head
from worlds.backends import revealed
from worlds.openbao import OpenBaoWorld, is_login, is_lookup, is_read, reference, refusal

JSON = {"Content-Type": "application/json"}


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def value(found: object) -> Value:
    assert isinstance(found, Value), found
    return found


def given_up(found: object) -> GiveUp:
    assert isinstance(found, GiveUp), found
    return found


def timed(world: OpenBaoWorld, **changes: object) -> tuple[Vault, Watch]:
    """A backend whose clock the test sets."""
    watch = Watch()
    access = VaultAccess(replace(world.settings, **changes), watch)  # type: ignore[arg-type]
    return Vault(access, world.identity, "v2", watch), watch


def reads(backend: Vault, world: OpenBaoWorld, name: str = "db") -> object:
    one = world.current(name)
    return backend.read([one])[one.entry]


def is_renewal(head: Head) -> bool:
    return head.path.endswith("/renew-self")


def test_a_hundred_keys_cost_a_hundred_calls_and_one_login(openbao: OpenBaoWorld) -> None:
    references = [openbao.current(f"k{number}") for number in range(100)]
    for one in references:
        openbao.put(one.key, b"x")
    backend, _ = timed(openbao)
    before, logins = openbao.calls(), openbao.count(is_login)
    answers = backend.read(references)
    assert all(isinstance(found, Value) for found in answers.values())
    assert openbao.calls() - before == 101
    assert openbao.count(is_login) - logins == 1
    assert openbao.count(is_lookup) == 0


def test_both_forms_of_answers_share_one_login(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    openbao.write_v1("db", {"value": "x"})
    logins = openbao.count(is_login)
    openbao.read(openbao.current("db"))
    one = reference(f"{openbao.mount_v1}/db", "v1")
    value(openbao.opened("v1").read([one])[one.entry])
    assert openbao.count(is_login) == logins


def test_a_document_is_handed_on_as_javascript_prints_it(openbao: OpenBaoWorld) -> None:
    openbao.write_v1("db", {"b": 1.50, "a": {"html": "</p>", "n": 1e21}, "10": "x", "9": None})
    one = reference(f"{openbao.mount_v1}/db", "v1")
    text = revealed(openbao.opened("v1").read([one])[one.entry])
    assert text == b'{"9":null,"10":"x","a":{"html":"</p>","n":1e+21},"b":1.5}'


def test_the_wrong_form_is_an_error_that_names_the_right_one(openbao: OpenBaoWorld) -> None:
    openbao.write_v1("data/db", {"value": "x"})
    one = reference(f"{openbao.mount_v1}/data/db")
    found = given_up(openbao.backend.read([one])[one.entry])
    assert (found.reason, "kvVersion to 1" in found.message) == ("BadValue", True)
    other = reference(f"{openbao.mount}/db", "v1")
    found = given_up(openbao.opened("v1").read([other])[other.entry])
    assert "kvVersion to 2" in found.message


def test_deleted_and_destroyed_versions_are_told_from_missing_ones(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    one = openbao.current("db")
    openbao.bao.request("DELETE", openbao.path("db"))
    found = given_up(openbao.read(one))
    assert (found.reason, "is deleted" in found.message) == ("MarkedForDeletion", True)
    look = openbao.backend.look([one])[one.entry]
    assert isinstance(look, Versions)
    assert "is deleted" in look.gone
    openbao.bao.request("PUT", f"{openbao.mount}/destroy/db", {"versions": [1]})
    assert "is destroyed" in given_up(openbao.read(one)).message


def test_a_version_that_will_be_deleted_later_is_there_until_then(openbao: OpenBaoWorld) -> None:
    settings = {"delete_version_after": "1h"}
    openbao.bao.request("POST", f"{openbao.mount}/metadata/db", settings)
    version = openbao.put("db", b"x")
    look = openbao.backend.look([openbao.current("db")])[openbao.current("db").entry]
    assert isinstance(look, Versions)
    assert (look.current, look.gone) == (version, "")
    assert value(openbao.read(openbao.current("db"))).version == version


def test_a_path_made_anew_has_another_version_though_it_counts_from_1_again(
    openbao: OpenBaoWorld,
) -> None:
    first = openbao.put("db", b"x")
    openbao.delete("db")
    second = openbao.put("db", b"x")
    assert first.partition("@")[0] == second.partition("@")[0] == "1"
    assert value(openbao.read(openbao.current("db"))).version == second != first


def test_a_mount_with_a_data_segment_in_the_name_behind_it_is_found_out(
    openbao: OpenBaoWorld,
) -> None:
    version = openbao.put("a/data/b", b"x")
    one = openbao.current("a/data/b")
    look = openbao.backend.look([one])[one.entry]
    assert isinstance(look, Versions)
    assert look.current == version


def test_a_mount_that_could_not_be_found_out_in_passing_is_asked_for_again(
    openbao: OpenBaoWorld,
) -> None:
    openbao.put("a/data/b", b"x")
    one = openbao.current("a/data/b")
    openbao.proxy.when(lambda head: "/ui/mounts/" in head.path, refusal(503, "not now"))
    assert isinstance(openbao.backend.look([one])[one.entry], Retry)
    assert isinstance(openbao.backend.look([one])[one.entry], Versions)


def test_where_metadata_is_denied_nobody_can_look(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    openbao.bao.policy(openbao.policy, {f"{openbao.mount}/data/*": ["read"]})
    one = openbao.current("db")
    assert isinstance(openbao.backend.look([one])[one.entry], CannotLook)
    value(openbao.read(one))


def test_a_document_without_versions_is_told_apart_within_a_process(openbao: OpenBaoWorld) -> None:
    one = reference(f"{openbao.mount_v1}/db", "v1")
    backend = openbao.opened("v1")
    versions = []
    for text in ("one", "two", "one"):
        openbao.write_v1("db", {"value": text})
        versions.append(value(backend.read([one])[one.entry]).version)
    assert versions[0] == versions[2] != versions[1]
    assert not is_incomparable(versions[0], versions[1])
    assert isinstance(backend.look([one])[one.entry], CannotLook)
    another = openbao.opened("v1", VaultAccess(openbao.settings))
    assert is_incomparable(versions[0], value(another.read([one])[one.entry]).version)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(412, "BackendUnavailable"), (473, "BackendUnavailable"), (500, "BackendUnavailable")],
)
def test_what_passes_by_itself_is_tried_again(
    openbao: OpenBaoWorld, status: int, reason: str
) -> None:
    openbao.proxy.when(is_read, refusal(status, "not now"))
    found = openbao.read(openbao.current("db"))
    assert isinstance(found, Retry)
    assert found.reason == reason
    assert found.message.startswith("not now.")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_wait_that_vault_asks_for_is_kept(openbao: OpenBaoWorld, status: int) -> None:
    openbao.proxy.when(is_read, refusal(status, "not now", {"Retry-After": "33"}))
    found = openbao.read(openbao.current("db"))
    assert isinstance(found, Retry)
    assert found.after == 33


def test_an_answer_of_somebody_else_is_not_shown(openbao: OpenBaoWorld) -> None:
    openbao.proxy.when(is_read, answer(200, b"<html>canary</html>"))
    found = openbao.read(openbao.current("db"))
    assert isinstance(found, Retry)
    assert "is not Vault" in found.message
    assert "canary" not in found.message


# The token.


def test_a_token_that_was_revoked_is_replaced_once(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    logins = openbao.count(is_login)
    openbao.bao.request("POST", f"sys/leases/revoke-force/auth/{openbao.auth}", {})
    value(openbao.read(openbao.current("db")))
    assert openbao.count(is_login) - logins == 1


def test_what_is_denied_stays_so_without_a_login_for_each_key(openbao: OpenBaoWorld) -> None:
    openbao.bao.policy(openbao.policy, {"elsewhere/*": ["read"]})
    logins = openbao.count(is_login)
    answers = openbao.backend.read([openbao.current(f"k{number}") for number in range(20)])
    assert {given_up(found).reason for found in answers.values()} == {"Denied"}
    assert openbao.count(is_login) == logins


def test_a_role_that_got_more_policies_is_noticed_after_a_minute(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    role = f"auth/{openbao.auth}/role/hark"
    openbao.bao.request("POST", role, {"token_policies": []})
    backend, watch = timed(openbao)
    assert given_up(reads(backend, openbao)).reason == "Denied"
    openbao.bao.request("POST", role, {"token_policies": [openbao.policy]})
    watch.seconds += 61
    value(reads(backend, openbao))


def test_what_stays_denied_costs_fewer_and_fewer_logins(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    openbao.bao.policy(openbao.policy, {})
    backend, watch = timed(openbao)
    logins = openbao.count(is_login)
    for _ in range(12 * 60):
        assert given_up(reads(backend, openbao)).reason == "Denied"
        watch.seconds += 61
    assert openbao.count(is_login) - logins < 25


def test_a_document_that_is_nested_too_deep_is_said(openbao: OpenBaoWorld) -> None:
    deep = b'{"data": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}"
    openbao.proxy.when(is_read, answer(200, deep, JSON))
    assert given_up(openbao.read(openbao.current("db"))).reason == "BadValue"


def test_a_refused_login_says_who_was_refused(openbao: OpenBaoWorld, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not-the-secret-id")
    backend, _ = timed(openbao, secret_id_file=tmp_path / "wrong")
    found = given_up(reads(backend, openbao))
    assert found.reason == "RoleDenied"
    assert openbao.auth in found.message
    assert "not-the-secret-id" not in found.message


def test_a_login_that_fails_is_tried_once_for_all_who_wait(
    openbao: OpenBaoWorld, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("not-the-secret-id")
    access = VaultAccess(replace(openbao.settings, secret_id_file=tmp_path / "wrong"))
    backend = Vault(access, openbao.identity, "v2")
    logins = openbao.count(is_login)
    # Slow enough that all who ask at the same time are there before it fails.
    slow = threading.Event()
    openbao.proxy.when(is_login, hold_until(slow))
    threading.Timer(0.3, slow.set).start()
    references = [openbao.current(f"k{number}") for number in range(8)]
    answers = backend.read(references)
    assert {given_up(found).reason for found in answers.values()} == {"RoleDenied"}
    assert openbao.count(is_login) - logins == 1
    access.close()


def test_a_login_that_failed_is_tried_again_by_who_comes_later(
    openbao: OpenBaoWorld, tmp_path: Path
) -> None:
    openbao.put("db", b"x")
    proof = tmp_path / "proof"
    proof.write_text("not-the-secret-id")
    access = VaultAccess(replace(openbao.settings, secret_id_file=proof))
    backend = Vault(access, openbao.identity, "v2")
    given_up(reads(backend, openbao))
    proof.write_text((tmp_path / "secret-id").read_text())
    value(reads(backend, openbao))
    access.close()


def test_a_renewal_without_an_answer_holds_nobody_up_twice(
    bao: Bao, bao_proxy: WireProxy, tmp_path: Path
) -> None:
    world = OpenBaoWorld(bao, bao_proxy, tmp_path, token_ttl="900s", token_max_ttl="3h")
    world.put("db", b"x")
    backend, watch = timed(world)
    value(reads(backend, world))

    def pass_seconds() -> None:
        watch.seconds += 20

    watch.seconds += 610
    bao_proxy.when(is_renewal, before(pass_seconds, hang_up), times=None)
    value(reads(backend, world))
    renewals = world.count(is_renewal)
    value(reads(backend, world))
    assert world.count(is_renewal) == renewals
    world.close()


def test_a_missing_proof_is_said_and_tried_again(openbao: OpenBaoWorld, tmp_path: Path) -> None:
    backend, _ = timed(openbao, role_id_file=tmp_path / "nowhere")
    found = reads(backend, openbao)
    assert isinstance(found, Retry)
    assert found.reason == "NoCredentials"


def test_a_token_is_renewed_when_a_third_of_its_life_is_left(
    bao: Bao, bao_proxy: WireProxy, tmp_path: Path
) -> None:
    world = OpenBaoWorld(bao, bao_proxy, tmp_path, token_ttl="900s", token_max_ttl="3h")
    world.put("db", b"x")
    backend, watch = timed(world)
    value(reads(backend, world))
    logins = world.count(is_login)
    watch.seconds += 590
    value(reads(backend, world))
    assert world.count(is_renewal) == 0
    watch.seconds += 20
    value(reads(backend, world))
    assert (world.count(is_renewal), world.count(is_login)) == (1, logins)
    world.close()


def test_a_token_that_cannot_be_renewed_is_replaced_before_it_ends(
    bao: Bao, bao_proxy: WireProxy, tmp_path: Path
) -> None:
    world = OpenBaoWorld(bao, bao_proxy, tmp_path, token_ttl="900s", token_type="batch")
    world.put("db", b"x")
    backend, watch = timed(world)
    value(reads(backend, world))
    logins = world.count(is_login)
    watch.seconds += 700
    value(reads(backend, world))
    assert world.count(is_login) - logins == 1
    world.close()


def test_a_given_token_needs_no_login(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    made = openbao.bao.request("POST", "auth/token/create", {"policies": [openbao.policy]})
    backend, _ = timed(openbao, token=made["auth"]["client_token"])
    logins = openbao.count(is_login)
    for _ in range(3):
        value(reads(backend, openbao))
    assert (openbao.count(is_login) - logins, openbao.count(is_lookup)) == (0, 1)


# Redirects.


def test_a_redirect_within_the_host_is_followed(openbao: OpenBaoWorld, bao: Bao) -> None:
    openbao.put("db", b"x")
    there = f"{bao.url}/v1/{openbao.path('db')}"
    openbao.proxy.when(is_read, answer(307, b"", {"Location": there}))
    value(openbao.read(openbao.current("db")))


def test_no_token_is_sent_to_another_host(openbao: OpenBaoWorld, bao: Bao) -> None:
    there = f"{bao.url}/v1/x".replace("127.0.0.1", "localhost")
    openbao.proxy.when(is_read, answer(307, b"", {"Location": there}))
    found = given_up(openbao.read(openbao.current("db")))
    assert "localhost" in found.message
    openbao.put("db", b"x")
    there = f"{bao.url}/v1/{openbao.path('db')}".replace("127.0.0.1", "localhost")
    openbao.proxy.when(is_read, answer(307, b"", {"Location": there}))
    backend, _ = timed(openbao, redirect_hosts=frozenset({"localhost"}))
    value(reads(backend, openbao))


# Dynamic credentials, in the form that Vault's database engine answers.


@pytest.fixture
def leased(openbao: OpenBaoWorld) -> OpenBaoWorld:
    """A Vault that makes credentials at database/creds/app."""

    def mint(head: Head) -> bool:
        return head.path == "/v1/database/creds/app"

    for number in range(1, 4):
        body = {
            "lease_id": f"database/creds/app/{number}",
            "lease_duration": 3600,
            "renewable": True,
            "data": {"username": f"u{number}", "password": f"p{number}"},
        }
        openbao.proxy.when(mint, answer(200, json.dumps(body).encode(), JSON))
    return openbao


CREDS = reference("database/creds/app", "v1")


def test_dynamic_credentials_have_the_version_of_their_lease(leased: OpenBaoWorld) -> None:
    backend = leased.opened("v1")
    assert isinstance(backend.look([CREDS])[CREDS.entry], CannotLook)
    read = value(backend.read([CREDS])[CREDS.entry])
    lease = lease_of(read.version)
    assert lease is not None
    assert (lease.id, lease.seconds, lease.renewable) == ("database/creds/app/1", 3600.0, True)
    assert json.loads(revealed(read)) == {"username": "u1", "password": "p1"}
    look = backend.look([CREDS])[CREDS.entry]
    assert isinstance(look, Versions)
    assert look.current == read.version
    assert "p1" not in read.version


def test_a_lease_is_renewed_with_the_token_that_it_hangs_on(leased: OpenBaoWorld) -> None:
    tokens: list[str] = []
    body = {"lease_id": "x", "lease_duration": 1800, "renewable": True}

    def renews(request: object) -> bool:
        if getattr(request, "path", "") != "/v1/sys/leases/renew":
            return False
        tokens.append(getattr(request, "headers", {})["x-vault-token"])
        return True

    leased.proxy.when(renews, answer(200, json.dumps(body).encode(), JSON), times=None)
    backend, watch = timed(leased)
    backend = Vault(backend._access, leased.identity, "v1", watch)
    backend.read([CREDS])
    granted = backend.renew("database/creds/app", "database/creds/app/1")
    assert (granted.seconds, granted.is_own) == (1800.0, True)
    first = tokens[-1]
    # A successor takes over the reads; the lease goes on to hang on the first.
    session = backend._session()
    session._obtain(watch())
    assert backend.renew("database/creds/app", "database/creds/app/1").is_own
    assert tokens[-1] == first
    session.tend([])
    assert not backend.renew("database/creds/app", "database/creds/app/1").is_own
    assert tokens[-1] != first


def test_a_lease_that_is_not_there_is_given_up(leased: OpenBaoWorld) -> None:
    backend = leased.opened("v1")
    assert isinstance(backend, Vault)
    with pytest.raises(GiveUp, match="lease not found"):
        backend.renew("database/creds/app", "database/creds/app/none")


# The login by Kubernetes, judged by a real API server.


def test_a_service_account_logs_in_and_its_token_is_read_anew_each_time(
    cluster: Cluster, namespace: str, openbao: OpenBaoWorld, tmp_path: Path
) -> None:
    bao, mount = openbao.bao, f"kubernetes-{secrets.token_hex(4)}"
    reviewer = cluster.service_account_token(namespace, "reviewer")
    cluster.create_if_absent(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": f"reviewer-{namespace}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:auth-delegator",
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": "reviewer"}],
        },
    )
    bao.trust_cluster(mount, cluster.url, cluster.ca_file.read_text(), reviewer)
    role = {
        "bound_service_account_names": ["hark"],
        "bound_service_account_namespaces": [namespace],
        "token_policies": [openbao.policy],
    }
    bao.request("POST", f"auth/{mount}/role/app", role)
    openbao.put("db", b"x")
    file = tmp_path / "token"
    settings = VaultSettings(address=openbao.proxy.url, method=Method.KUBERNETES, jwt_file=file)
    file.write_text(cluster.service_account_token(namespace, "stranger"))
    watch = Watch()
    identity = Identity(vault_role="app", vault_mount=mount)
    backend = Vault(VaultAccess(settings, watch), identity, "v2", watch)
    found = given_up(reads(backend, openbao))
    assert (found.reason, "the role app" in found.message) == ("RoleDenied", True)
    assert file.read_text() not in found.message
    file.write_text(cluster.service_account_token(namespace, "hark"))
    value(reads(backend, openbao))


def test_without_a_role_the_sentence_names_both_ways_to_give_one(openbao: OpenBaoWorld) -> None:
    settings = replace(openbao.settings, method=Method.KUBERNETES)
    backend = Vault(VaultAccess(settings), Identity(vault_mount="kubernetes"), "v2")
    found = given_up(reads(backend, openbao))
    assert "spec.vaultRole" in found.message
    assert "DEFAULT_VAULT_ROLE" in found.message


# Certificates.


def test_a_file_without_certificates_is_refused(openbao: OpenBaoWorld, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    backend, _ = timed(openbao, ca_file=str(tmp_path / "ca.pem"))
    assert given_up(reads(backend, openbao)).reason == "InvalidSetting"


def test_an_unknown_authority_is_said_with_the_setting_that_names_it(
    openbao: OpenBaoWorld, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    backend, _ = timed(
        openbao,
        address=openbao.settings.address.replace("http:", "https:"),
        extra_ca_file=str(tmp_path / "ca.pem"),
    )
    found = reads(backend, openbao)
    assert isinstance(found, Retry)
    assert (found.reason, "VAULT_CACERT" in found.message) == ("BackendUnreachable", True)


# Other logins, and namespaces.


def test_a_jwt_of_anybody_whom_vault_trusts_logs_in(openbao: OpenBaoWorld, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    mount = f"jwt-{secrets.token_hex(4)}"
    openbao.bao.enable_auth(mount, "jwt")
    config = {"jwt_validation_pubkeys": [public.decode()]}
    openbao.bao.request("POST", f"auth/{mount}/config", config)
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_subject": "hark",
        "bound_audiences": ["vault"],
        "token_policies": [openbao.policy],
    }
    openbao.bao.request("POST", f"auth/{mount}/role/app", role)
    now = int(time.time())
    claims = {"sub": "hark", "aud": "vault", "nbf": now - 60, "iat": now, "exp": now + 600}
    (tmp_path / "jwt").write_text(jwt.encode(claims, key, algorithm="ES256"))
    openbao.put("db", b"x")
    settings = VaultSettings(
        address=openbao.proxy.url, method=Method.JWT, jwt_file=tmp_path / "jwt"
    )
    identity = Identity(vault_role="app", vault_mount=mount)
    value(reads(Vault(VaultAccess(settings), identity, "v2"), openbao))


def test_a_namespace_is_another_world(openbao: OpenBaoWorld) -> None:
    name = f"team-{secrets.token_hex(4)}"
    openbao.bao.request("POST", f"sys/namespaces/{name}", {})
    openbao.bao.request(
        "POST", f"{name}/sys/mounts/kv", {"type": "kv", "options": {"version": "1"}}
    )
    openbao.bao.request("POST", f"{name}/kv/db", {"value": "there"})
    one = reference("kv/db", "v1")
    found = []
    for namespace in ("", name):
        settings = VaultSettings(address=openbao.proxy.url, token=TOKEN, namespace=namespace)
        found.append(Vault(VaultAccess(settings), Identity(), "v1").read([one])[one.entry])
    assert given_up(found[0]).reason == "NotFound"
    assert revealed(found[1]) == b'{"value":"there"}'
