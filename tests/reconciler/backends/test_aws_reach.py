"""How AWS is reached by its real names: a proxy, an authority of one's own, every partition."""

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from externalsecret.errors import Retry
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity, Reference
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import aws_settings
from reconciler.backends.contract import Read, Value
from reconciler.backends.opening import Access, open_backend
from testbed.tunnel import Tunnel
from worlds.backends import CURRENT, LATEST, reference, revealed

SECRET = reference(Kind.SECRETS_MANAGER, "db", CURRENT)
PARAMETER = reference(Kind.PARAMETER_STORE, "/db", LATEST)
ROLE = "arn:{partition}:iam::111122223333:role/reader"
ASSUMED = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>AKIAROLE</AccessKeyId>
<SecretAccessKey>x</SecretAccessKey><SessionToken>x</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""
PLACES = [
    ("aws", "eu-central-1", "amazonaws.com"),
    ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
    ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
]


def _answer(action: str, arn: str) -> bytes:
    if action == "AssumeRole":
        return ASSUMED
    if action == "GetParameter":
        return json.dumps({"Parameter": {"Name": "/db", "Value": "p", "Version": 1}}).encode()
    return json.dumps({"ARN": arn, "Name": "db", "SecretString": "s", "VersionId": "1"}).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers as every service of AWS does that is asked for here."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2] or "AssumeRole"
        region = self.headers["Authorization"].split("/")[2]
        assert isinstance(self.server, _Server)
        host = self.headers["Host"]
        self.server.calls.append((action, host, region, asked))
        body = _answer(action, f"arn:x:secretsmanager:{region}:111122223333:secret:db-AbCdEf")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None: ...


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.calls: list[tuple[str, str, str, str]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Be silent about clients that do not trust it."""


@dataclass
class Aws:
    """AWS behind a proxy that is the only way to it."""

    server: _Server
    tunnel: Tunnel
    ca_file: Path


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    hosts = [
        f"{service}.{region}.{suffix}"
        for _, region, suffix in PLACES
        for service in ("sts", "secretsmanager", "ssm")
    ]
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    server = _Server(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIABASE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with Tunnel(dict.fromkeys(hosts, server.server_address[1])) as way:
        monkeypatch.setenv("HTTPS_PROXY", way.url)
        yield Aws(server, way, tmp_path / "ca.pem")
    server.shutdown()
    server.server_close()
    thread.join()


def _read(kind: Kind, one: Reference, role: str, region: str, **environ: str) -> Read:
    settings = aws_settings({"AWS_REGION": region, **environ})
    with closing(AwsAccess(settings)) as access:
        backend = open_backend(kind, Identity(role), region, Access(access))
        return backend.read([one])[one.entry]


@pytest.mark.parametrize(("partition", "region", "suffix"), PLACES)
@pytest.mark.parametrize(
    ("kind", "one", "service", "text"),
    [
        (Kind.SECRETS_MANAGER, SECRET, "secretsmanager", b"s"),
        (Kind.PARAMETER_STORE, PARAMETER, "ssm", b"p"),
    ],
)
def test_each_partition_is_reached_through_a_proxy_by_ones_own_authority_and_in_a_role(
    cloud: Aws,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    one: Reference,
    service: str,
    text: bytes,
    partition: str,
    region: str,
    suffix: str,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(cloud.ca_file))
    role = ROLE.format(partition=partition)
    read = _read(kind, one, role, region)
    assert isinstance(read, Value), read
    assert revealed(read) == text
    first, second = cloud.server.calls
    assert first[:3] == ("AssumeRole", f"sts.{region}.{suffix}", region)
    assert f"arn%3A{partition}%3Aiam" in first[3]
    assert second[1:3] == (f"{service}.{region}.{suffix}", region)
    assert set(cloud.tunnel.asked) == {first[1], second[1]}


def test_a_server_that_cannot_prove_to_be_aws_gets_no_question(cloud: Aws) -> None:
    read = _read(Kind.SECRETS_MANAGER, SECRET, "", "eu-central-1")
    assert isinstance(read, Retry)
    assert read.reason == "BackendUnreachable"
    assert "secretsmanager.eu-central-1.amazonaws.com" in read.message
    assert not cloud.server.calls


def test_a_proxy_that_only_http_proxy_names_is_taken(
    cloud: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(cloud.ca_file))
    read = _read(Kind.SECRETS_MANAGER, SECRET, "", "eu-central-1", HTTP_PROXY=cloud.tunnel.url)
    assert isinstance(read, Value), read
