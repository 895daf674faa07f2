"""infra/vault, applied to a real OpenBao by its own script: what each half's login may then do."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from externalsecret.reference import Identity
from reconciler.backends.vault import Vault
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import Method, VaultSettings
from testbed.helm import Helm
from testbed.openbao import TOKEN, Bao, OpenBaoError, OpenBaoServer
from worlds.backends import revealed
from worlds.openbao import reference

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "vault" / "apply.sh"
CHART = ROOT / "charts" / "hark"
AUDIENCE = "vault"
CANARY = b"canary-of-the-stack"


def apply(bao: Bao, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "VAULT_ADDR": bao.url,
        "VAULT_TOKEN": TOKEN,
        "CLI": str(Path(sys.executable).with_name("bao")),
        **settings,
    }
    return subprocess.run(
        [str(SCRIPT)], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


class Applied:
    """A mount of two teams, an authority for tokens, and the script's work for the team prod.

    The policies' names are fixed, so the server is the test's own and shared with nobody.
    """

    def __init__(self, bao: Bao) -> None:
        self.bao = bao
        self.mount = f"team/kv-{secrets.token_hex(4)}"
        bao.mount(self.mount, 2)
        for name in ("prod/db", "dev/db"):
            bao.request("POST", f"{self.mount}/data/{name}", {"data": {"value": CANARY.decode()}})
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        bao.enable_auth("jwt", "jwt")
        bao.request("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public.decode()]})
        for _ in range(2):
            done = apply(bao, AUTH="jwt", AUDIENCE=AUDIENCE, MOUNT=self.mount, PREFIX="prod/")
            assert done.returncode == 0, done.stderr

    def proof(self, half: str) -> str:
        """A token as the cluster makes it for the ServiceAccount of that half."""
        now = int(time.time())
        claims = {
            "sub": f"system:serviceaccount:hark-system:hark-{half}",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 600,
        }
        return jwt.encode(claims, self._key, algorithm="ES256")

    def login(self, half: str, role: str = "") -> str:
        body = {"role": role or f"hark-{half}", "jwt": self.proof(half)}
        answer = self.bao.request("POST", "auth/jwt/login", body, token="")
        token: str = answer["auth"]["client_token"]
        return token

    def may(self, token: str, method: str, path: str) -> bool:
        body = {"data": {"value": "x"}} if method == "POST" else None
        try:
            self.bao.request(method, f"{self.mount}/{path}", body, token=token)
        except OpenBaoError as error:
            if "HTTP 403" not in str(error):
                raise
            return False
        return True


@pytest.fixture(scope="module")
def applied() -> Iterator[Applied]:
    with OpenBaoServer() as bao:
        yield Applied(bao)


@pytest.mark.parametrize(
    ("method", "path", "halves"),
    [
        ("GET", "metadata/prod/db", {"listener", "reconciler"}),
        ("GET", "data/prod/db", {"reconciler"}),
        ("GET", "data/prod/db?version=1", {"reconciler"}),
        ("GET", "subkeys/prod/db", set()),
        ("GET", "metadata/dev/db", set()),
        ("GET", "data/dev/db", set()),
        ("GET", "metadata/prod/?list=true", set()),
        ("POST", "data/prod/db", set()),
        ("DELETE", "data/prod/db", set()),
        ("DELETE", "metadata/prod/db", set()),
    ],
)
def test_a_half_may_do_what_it_needs_and_no_more(
    applied: Applied, method: str, path: str, halves: set[str]
) -> None:
    may = {
        half
        for half in ("listener", "reconciler")
        if applied.may(applied.login(half), method, path)
    }
    assert may == halves


@pytest.mark.parametrize("half", ["listener", "reconciler"])
def test_a_half_looks_up_and_renews_its_own_token(applied: Applied, half: str) -> None:
    token = applied.login(half)
    told = applied.bao.request("GET", "auth/token/lookup-self", token=token)["data"]
    assert set(told["policies"]) == {"default", f"hark-{half}"}
    assert applied.bao.request("POST", "auth/token/renew-self", {}, token=token)["auth"]


def test_neither_half_logs_in_as_the_other(applied: Applied) -> None:
    for half, other in (("listener", "reconciler"), ("reconciler", "listener")):
        with pytest.raises(OpenBaoError, match="invalid subject"):
            applied.login(half, f"hark-{other}")


def test_the_reconcilers_own_client_reads_and_looks_by_its_role(
    applied: Applied, tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text(applied.proof("reconciler"))
    settings = VaultSettings(address=applied.bao.url, method=Method.JWT, jwt_file=tmp_path / "jwt")
    access = VaultAccess(settings)
    identity = Identity(vault_mount="jwt", vault_role="hark-reconciler")
    one = reference(f"{applied.mount}/data/prod/db")
    backend = Vault(access, identity, "v2")
    assert CANARY in revealed(backend.read([one])[one.entry])
    assert not isinstance(backend.look([one])[one.entry], Exception)
    access.close()


def test_the_kubernetes_roles_admit_one_serviceaccount_each(applied: Applied) -> None:
    applied.bao.enable_auth("kubernetes", "kubernetes")
    done = apply(applied.bao, MOUNT=applied.mount, PREFIX="prod/", NAMESPACE="there")
    assert done.returncode == 0, done.stderr
    for half in ("listener", "reconciler"):
        role = applied.bao.request("GET", f"auth/kubernetes/role/hark-{half}")["data"]
        assert role["bound_service_account_names"] == [f"hark-{half}"]
        assert role["bound_service_account_namespaces"] == ["there"]
        assert role["token_policies"] == [f"hark-{half}"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"AUTH": "jwt"}, "say by AUDIENCE"),
        ({"AUTH": "ldap"}, "AUTH is kubernetes or jwt"),
        ({"MOUNT": 'a"b'}, "may hold letters"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    applied: Applied, settings: dict[str, str], said: str
) -> None:
    done = apply(applied.bao, **{"MOUNT": applied.mount, "PREFIX": "prod/", **settings})
    assert done.returncode != 0
    assert said in done.stderr


def test_the_values_that_the_readme_gives_make_both_halves_speak_to_vault() -> None:
    page = SCRIPT.with_name("README.md").read_text(encoding="utf-8")
    values = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    helm = Helm(CHART)
    try:
        rendered = yaml.safe_load_all(helm.template("hark", "hark-system", values))
    finally:
        helm.close()
    environment = {
        document["metadata"]["name"]: {
            variable["name"]: variable.get("value")
            for variable in document["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        for document in rendered
        if document and document["kind"] == "Deployment"
    }
    listener = environment["hark-listener"]
    assert listener["HARK_VAULT_SOURCE"] == "poll"
    assert listener["VAULT_ADDR"] == environment["hark-reconciler"]["VAULT_ADDR"]
    assert environment["hark-reconciler"]["DEFAULT_VAULT_ROLE"] == "hark-reconciler"
