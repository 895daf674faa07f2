"""How Google is reached: credentials, endpoints, a proxy, certificates; and when the SDK comes."""

import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from externalsecret.errors import GiveUp, Retry
from reconciler.backends.contract import Value
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googlesecretmanager import GoogleSecretManager
from reconciler.backends.googlesettings import GoogleSettings, google_settings
from reconciler.backends.opening import read_access
from testbed.secretmanager import SecretManager, SecretManagerServer
from testbed.tunnel import Tunnel
from worlds.backends import revealed
from worlds.google import NUMBER, PROJECT, GoogleWorld, reference, secret_name, use_key

GLOBAL_HOST = "secretmanager.googleapis.com"
ACCOUNT = "instance/service-accounts/default"
REGIONAL_HOST = "secretmanager.europe-west3.rep.googleapis.com"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def real_names(authority: trustme.CA) -> Iterator[SecretManagerServer]:
    """A server that can prove to be Google to whoever trusts the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(GLOBAL_HOST, REGIONAL_HOST).configure_cert(context)
    with SecretManagerServer(SecretManager({PROJECT: NUMBER}), context) as server:
        yield server


@pytest.fixture
def tunnel(
    real_names: SecretManagerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tunnel]:
    """The only way to Google."""
    use_key(tmp_path, monkeypatch)
    with Tunnel({GLOBAL_HOST: real_names.port, REGIONAL_HOST: real_names.port}) as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield way


@pytest.fixture
def access() -> Iterator[GoogleAccess]:
    with closing(GoogleAccess(GoogleSettings())) as made:
        yield made


def _trust(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(folder / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))


def test_a_proxy_and_an_authority_of_ones_own_count_for_global_and_regional_secrets(
    tunnel: Tunnel,
    real_names: SecretManagerServer,
    access: GoogleAccess,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _trust(authority, tmp_path, monkeypatch)
    real_names.manager.add(secret_name("db"), b"global")
    real_names.manager.add(secret_name("db", "europe-west3"), b"regional")

    everywhere = GoogleSecretManager(access, PROJECT)
    there = GoogleSecretManager(access, f"{PROJECT}/europe-west3")
    one, other = reference("db"), reference("db", location="europe-west3")
    assert revealed(everywhere.read([one])[one.entry]) == b"global"
    read = there.read([other])[other.entry]
    assert revealed(read) == b"regional"
    assert isinstance(read, Value)
    assert read.resource == f"projects/{NUMBER}/locations/europe-west3/secrets/db"
    # No token service was asked: the key signs its tokens itself. Google's library looks up where
    # an account may be used from, in the background, and does without an answer.
    asked = set(tunnel.asked) - {"iamcredentials.googleapis.com"}
    assert asked == {GLOBAL_HOST, REGIONAL_HOST}


def test_a_server_that_cannot_prove_to_be_google_gets_no_question(
    tunnel: Tunnel,
    real_names: SecretManagerServer,
    access: GoogleAccess,
) -> None:
    assert tunnel
    real_names.manager.add(secret_name("db"), b"x")
    read = GoogleSecretManager(access, PROJECT).read([reference("db")])[reference("db").entry]
    assert isinstance(read, Retry)
    assert read.reason == "BackendUnreachable"
    assert GLOBAL_HOST in read.message
    assert not real_names.calls


def test_a_location_that_is_no_host_of_google_is_unreachable(
    tunnel: Tunnel, access: GoogleAccess
) -> None:
    one = reference("db", location="mars-north1")
    read = GoogleSecretManager(access, f"{PROJECT}/mars-north1").read([one])[one.entry]
    assert isinstance(read, Retry)
    assert read.reason == "BackendUnreachable"
    assert "spec.location" in read.message
    assert "secretmanager.mars-north1.rep.googleapis.com" in tunnel.asked


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "https://secretmanager.googleapis.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("secretmanager-shop.p.googleapis.com", "https://secretmanager-shop.p.googleapis.com"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_an_endpoint_of_ones_own(given: str, url: str) -> None:
    settings = google_settings({"HARK_GCP_SECRET_MANAGER_ENDPOINT": given})
    assert settings.url("") == url
    regional = "https://secretmanager.europe-west3.rep.googleapis.com"
    assert settings.url("europe-west3") == (url if given else regional)


@pytest.mark.parametrize(
    "given", ["ftp://x", "https://", "https://a/b", "https://u@h", "https://h:99999", "h?x", "h#x"]
)
def test_an_endpoint_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(GiveUp, match="HARK_GCP_SECRET_MANAGER_ENDPOINT is no address"):
        google_settings({"HARK_GCP_SECRET_MANAGER_ENDPOINT": given})


def test_the_project_of_the_credentials_stands_for_one_that_is_not_named(
    google: GoogleWorld,
) -> None:
    google.put("db", b"x")
    read = google.open("-").read([google.current("db")])[google.current("db").entry]
    assert revealed(read) == b"x"


def test_without_any_project_the_sentence_says_what_to_set(
    google: GoogleWorld, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    key = json.loads(file.read_text(encoding="utf-8"))
    del key["project_id"]
    file.write_text(json.dumps(key), encoding="utf-8")
    read = google.open("-").read([google.current("db")])[google.current("db").entry]
    assert isinstance(read, GiveUp)
    assert read.reason == "NoProject"
    assert "spec.projectId" in read.message


def test_without_credentials_it_is_tried_again_and_found_when_they_come(
    google: GoogleWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    google.put("db", b"x")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "not-yet.json"))
    read = google.read(google.current("db"))
    assert isinstance(read, Retry)
    assert read.reason == "NoCredentials"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in read.message
    (tmp_path / "key.json").rename(tmp_path / "not-yet.json")
    assert revealed(google.read(google.current("db"))) == b"x"


class MetadataServer(http.server.ThreadingHTTPServer):
    """What a node's metadata server says to workload identity."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Metadata)
        self.tokens = 0
        self.lifetimes: list[int] = []
        """In seconds, of the next tokens; an hour for all others."""
        self.is_broken = False
        self.asked: list[str] = []


class _Metadata(http.server.BaseHTTPRequestHandler):
    server: MetadataServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/computeMetadata/v1/").strip("/")
        # Once it knows the account's name, the SDK asks by it.
        path = path.replace("/hark@x", "/default")
        self.server.asked.append(path)
        answers = {
            "project/project-id": PROJECT,
            ACCOUNT: json.dumps({"email": "hark@x", "scopes": [], "aliases": ["default"]}),
            "universe/universe-domain": "googleapis.com",
        }
        if path == f"{ACCOUNT}/token":
            self.server.tokens += 1
            lifetime = self.server.lifetimes.pop() if self.server.lifetimes else 3600
            token = {"access_token": f"t{self.server.tokens}", "expires_in": lifetime}
            answers[path] = json.dumps(token)
        body = answers.get(path, "").encode()
        is_found = not path or path in answers
        if self.server.is_broken and path.startswith(ACCOUNT):
            # Others begin to wait meanwhile.
            time.sleep(0.5)
            is_found = False
        self.send_response(200 if is_found else 404)
        self.send_header("Metadata-Flavor", "Google")
        is_json = body.startswith(b"{")
        self.send_header("Content-Type", "application/json" if is_json else "application/text")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def node() -> Iterator[MetadataServer]:
    server = MetadataServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


READ_TWENTY = """
from pathlib import Path
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googlesecretmanager import GoogleSecretManager
from reconciler.backends.googlesettings import GoogleSettings
from worlds.google import reference

def read(access, keys):
    references = [reference(f"k{number}") for number in range(keys)]
    answers = GoogleSecretManager(access, "-").read(references)
    return {getattr(answer, "version", str(answer)) for answer in answers.values()}

"""


def _on_a_node(code: str, metadata: str, folder: Path) -> str:
    """What a process prints whose metadata server is there; the SDK looks for it but once."""
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", READ_TWENTY + code],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env={
            "PATH": "",
            "HOME": str(folder),
            "PYTHONPATH": f"{root}:{root / 'tests'}",
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_workload_identity_gives_one_token_to_all_calls(
    google: GoogleWorld, node: MetadataServer, tmp_path: Path
) -> None:
    for number in range(20):
        google.put(f"k{number}", b"x")
    code = f"""
access = GoogleAccess(GoogleSettings("{google.server.url}"))
print(read(access, 20), read(access, 20))
"""
    address = f"127.0.0.1:{node.server_address[1]}"
    assert _on_a_node(code, address, tmp_path) == "{'1'} {'1'}\n"
    assert node.tokens == 1
    assert google.server.tokens == {"t1"}


def test_a_token_is_renewed_before_it_expires_and_by_one_caller_alone(
    google: GoogleWorld, node: MetadataServer, tmp_path: Path
) -> None:
    for number in range(20):
        google.put(f"k{number}", b"x")
    # The first token has less time left than the SDK wants there to be.
    node.lifetimes = [60]
    code = f"""
access = GoogleAccess(GoogleSettings("{google.server.url}"))
access.secret_manager("")
print(read(access, 20))
"""
    address = f"127.0.0.1:{node.server_address[1]}"
    assert _on_a_node(code, address, tmp_path) == "{'1'}\n"
    assert node.tokens == 2
    assert google.server.tokens == {"t2"}


def test_a_metadata_server_without_an_answer_is_asked_once_not_for_each_key(
    google: GoogleWorld, node: MetadataServer, tmp_path: Path
) -> None:
    node.is_broken = True
    code = f"""
access = GoogleAccess(GoogleSettings("{google.server.url}"))
print(*read(access, 20))
"""
    said = _on_a_node(code, f"127.0.0.1:{node.server_address[1]}", tmp_path)
    assert said.startswith("Google credentials cannot be had (RefreshError). Check")
    assert node.asked.count(ACCOUNT) == 1
    assert not google.server.calls


def test_access_that_was_closed_opens_anew(google: GoogleWorld) -> None:
    google.put("db", b"x")
    assert revealed(google.read(google.current("db"))) == b"x"
    google.backend.close()
    assert revealed(google.read(google.current("db"))) == b"x"
    google.access.close()
    assert revealed(google.read(google.current("db"))) == b"x"


def test_the_sdk_is_imported_with_the_first_call_and_not_before() -> None:
    code = """
import sys
from externalsecret.identity import Backend
from externalsecret.reference import Identity
from reconciler.backends.opening import open_backend, read_access
access = read_access({})
open_backend(Backend.SECRETS_MANAGER, Identity(), "eu-central-1", access)
heavy = [name for name in sys.modules if name.split(".")[0] in {"google", "grpc", "requests"}]
print(", ".join(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
    assert read_access({}).google


def test_the_sdk_shows_no_value_even_when_its_own_logs_are_ordered(
    google: GoogleWorld, tmp_path: Path
) -> None:
    google.put("db", b"canary-77ab12")
    code = f"""
import logging
logging.basicConfig(level=logging.DEBUG)
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googlesecretmanager import GoogleSecretManager
from reconciler.backends.googlesettings import GoogleSettings
from externalsecret.identity import google_secret
from externalsecret.reference import Reference, Select, Selector
one = Reference("e", google_secret("db"), "db", Selector(Select.LATEST), "-")
backend = GoogleSecretManager(GoogleAccess(GoogleSettings("{google.server.url}")), "{PROJECT}")
print(backend.read([one]), backend.look([one]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
            "GOOGLE_SDK_PYTHON_LOGGING_SCOPE": "google",
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        },
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "canary" not in said
    # Y2FuYXJ5 is the same as base64, which is how it travels.
    assert "Y2FuYXJ5" not in said
    assert "Value(" in done.stdout
