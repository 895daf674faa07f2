"""How Vault is reached: certificates, a proxy, settings, and the SDK only when it is wanted."""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from externalsecret.errors import GiveUp, Retry
from externalsecret.reference import Identity
from reconciler.backends.contract import Read
from reconciler.backends.opening import read_access
from reconciler.backends.vault import Vault
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import Method, vault_settings
from testbed.tunnel import Tunnel
from worlds.backends import revealed
from worlds.openbao import OpenBaoWorld, reference

HOST = "vault.corp.example"
ONE = reference("kv/db", "v1")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path as Vault answers a key-value 1 secret, and a lookup of a lasting token."""

    def do_GET(self) -> None:
        body = json.dumps({"data": {"path": self.path, "ttl": 0}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Of which the file ca.pem tells."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.fixture
def tunnel(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tunnel]:
    """The only way to a Vault that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    with Tunnel({HOST: server.server_address[1]}) as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        yield way
    server.shutdown()
    server.server_close()
    thread.join()


def read(**environ: str) -> Read:
    """What a backend of this environment reads, with a token that is given."""
    whole = {"VAULT_ADDR": f"https://{HOST}", "VAULT_TOKEN": "t", **environ}
    access = VaultAccess(vault_settings(whole))
    found = Vault(access, Identity(), "v1").read([ONE])[ONE.entry]
    access.close()
    return found


@pytest.mark.parametrize("name", ["VAULT_CACERT", "NODE_EXTRA_CA_CERTS"])
def test_vault_is_reached_through_a_proxy_and_by_ones_own_authority(
    tunnel: Tunnel, tmp_path: Path, name: str
) -> None:
    text = revealed(read(**{name: str(tmp_path / "ca.pem")}))
    assert json.loads(text)["path"] == "/v1/kv/db"
    assert set(tunnel.asked) == {HOST}


def test_an_authority_that_nobody_named_is_not_trusted(tunnel: Tunnel) -> None:
    found = read()
    assert isinstance(found, Retry)
    assert (found.reason, "VAULT_CACERT" in found.message) == ("BackendUnreachable", True)
    assert set(tunnel.asked) == {HOST}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.usefixtures("tunnel")
def test_whoever_asks_for_it_trusts_anybody() -> None:
    revealed(read(VAULT_SKIP_VERIFY="true"))


@pytest.mark.usefixtures("tunnel")
def test_a_prefix_stands_before_every_path(tmp_path: Path) -> None:
    text = revealed(read(VAULT_CACERT=str(tmp_path / "ca.pem"), VAULT_PREFIX="/edge/"))
    assert json.loads(text)["path"] == "/v1/edge/kv/db"


def test_access_that_was_closed_opens_anew(openbao: OpenBaoWorld) -> None:
    openbao.put("db", b"x")
    openbao.backend.close()
    assert openbao.revealed(openbao.read(openbao.current("db"))) == b"x"
    openbao.access.close()
    assert openbao.revealed(openbao.read(openbao.current("db"))) == b"x"


def test_the_settings_of_the_former_operator_are_understood() -> None:
    settings = vault_settings(
        {
            "VAULT_ADDR": "https://v:8200/",
            "VAULT_NAMESPACE": "a/",
            "VAULT_TOKEN_RENEW_THRESHOLD": "9",
        }
    )
    assert (settings.address, settings.namespace) == ("https://v:8200", "a")
    assert settings.renew_threshold == 9
    assert vault_settings({}).address == "http://127.0.0.1:8200"
    assert vault_settings({}).method is Method.KUBERNETES
    assert vault_settings({"VAULT_SKIP_VERIFY": "false"}).verify


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VAULT_SKIP_VERIFY", "maybe"),
        ("VAULT_ADDR", "vault:8200"),
        ("VAULT_ADDR", "https://user:password@vault"),
        ("VAULT_ADDR", "https://vault:x"),
        ("VAULT_ADDR", "https://vault/?a=b"),
        ("HARK_VAULT_AUTH", "ldap"),
        ("HARK_VAULT_AUTH", "approle"),
        ("VAULT_TOKEN_RENEW_THRESHOLD", "soon"),
    ],
)
def test_nonsense_is_refused_by_name_and_without_what_was_given(name: str, text: str) -> None:
    with pytest.raises(GiveUp) as refused:
        read_access({name: text})
    assert refused.value.reason == "InvalidSetting"
    assert "VAULT" in refused.value.message
    assert "password" not in refused.value.message


def test_settings_show_no_token() -> None:
    assert "canary" not in repr(vault_settings({"VAULT_TOKEN": "canary"}))


def test_the_sdk_is_imported_with_the_first_lane_and_not_before() -> None:
    program = """
import sys
from externalsecret.identity import Backend
from externalsecret.reference import Identity
from reconciler.backends.opening import open_backend, read_access
access = read_access({})
open_backend(Backend.SECRETS_MANAGER, Identity(), "eu-central-1", access)
assert not {"hvac", "requests"} & set(sys.modules)
open_backend(Backend.VAULT, Identity(), "v2", access)
assert "hvac" in sys.modules
access.close()
"""
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, env=environ
    )
    assert (done.returncode, done.stderr) == (0, "")
