"""How AWS is reached: settings, roles, and what is imported when."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.config import Config

from externalsecret.errors import GiveUp, Retry
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssession import Sessions
from reconciler.backends.awssettings import AwsSettings, aws_settings
from reconciler.backends.contract import Backend, Read
from reconciler.backends.opening import Access, open_backend
from testbed.actions import answer, hold_until
from testbed.moto import REGION
from testbed.proxy import WireProxy
from testbed.request import Head, aws
from worlds.backends import CURRENT, LATEST, SETTINGS, SecretsManagerWorld, reference

ROLE = "arn:aws:iam::111122223333:role/reader"
HOP = "arn:aws:iam::444455556666:role/hop"
# STS speaks the older protocol.
NOT_AUTHORIZED = b"""<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>
<Message>User: hark is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>
"""
# What the agent of EKS Pod Identity answers.
CREDENTIALS = b"""{"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "x", "Token": "x",
"Expiration": "2099-01-01T00:00:00Z"}"""
DB = reference(Kind.SECRETS_MANAGER, "db", CURRENT)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(wire: WireProxy, clock: Clock) -> Iterator[AwsAccess]:
    assert wire
    made = AwsAccess(SETTINGS, clock)
    yield made
    made.close()


def secrets_of(access: AwsAccess, role: str = ROLE, region: str = REGION) -> Backend:
    return open_backend(Kind.SECRETS_MANAGER, Identity(role), region, Access(access))


def read(backend: Backend) -> Read:
    return backend.read([DB])[DB.entry]


def test_two_regions_and_twenty_reads_at_once_assume_a_role_once(
    access: AwsAccess, wire: WireProxy
) -> None:
    backends = [secrets_of(access, region=region) for region in (REGION, "us-east-1")]
    start = threading.Barrier(20)

    def one(number: int) -> Read:
        start.wait()
        return read(backends[number % 2])

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(one, range(20)))
    # The role's account is empty: what matters is that it was asked.
    assert {getattr(answer, "reason", "") for answer in answers} == {"NotFound"}
    assert wire.count(aws("AssumeRole")) == 1
    assert wire.count(aws("GetSecretValue")) == 20


def test_a_role_is_assumed_with_the_session_name_of_kes(access: AwsAccess, wire: WireProxy) -> None:
    rule = wire.when(aws("AssumeRole"), lambda exchange: exchange.deliver())
    read(secrets_of(access))
    assert b"RoleSessionName=k8s-external-secrets" in rule.met[0].body


def test_a_role_is_assumed_again_before_its_credentials_expire(
    access: AwsAccess, wire: WireProxy, clock: Clock
) -> None:
    backend = secrets_of(access)
    read(backend)
    clock.now += timedelta(minutes=30)
    read(backend)
    assert wire.count(aws("AssumeRole")) == 1
    clock.now += timedelta(minutes=20)
    read(backend)
    assert wire.count(aws("AssumeRole")) == 2


def test_a_role_is_chained_on_the_intermediate_one(wire: WireProxy) -> None:
    rule = wire.when(aws("AssumeRole"), lambda exchange: exchange.deliver(), times=None)
    access = AwsAccess(replace(SETTINGS, intermediate_role_arn=HOP))
    read(secrets_of(access))
    read(secrets_of(access, role="arn:aws:iam::111122223333:role/other"))
    access.close()
    hops = [b"role%2Fhop" in met.body for met in rule.met]
    # The hop's own credentials are needed first, but they are kept for the second role.
    assert hops == [True, False, False]


def test_a_role_is_let_go_with_its_last_backend_and_assumed_anew_when_it_is_used_again(
    access: AwsAccess, wire: WireProxy
) -> None:
    here, there = secrets_of(access), secrets_of(access, region="us-east-1")
    parameters = open_backend(Kind.PARAMETER_STORE, Identity(ROLE), REGION, Access(access))
    for backend in (here, there):
        read(backend)
    parameter = reference(Kind.PARAMETER_STORE, "/db", LATEST)
    parameters.read([parameter])
    here.close()
    there.close()
    read(here)
    here.close()
    assert wire.count(aws("AssumeRole")) == 1
    parameters.close()
    assert wire.count(aws("AssumeRole")) == 1
    read(there)
    assert wire.count(aws("AssumeRole")) == 2


def test_a_role_that_others_are_chained_on_is_kept(wire: WireProxy) -> None:
    access = AwsAccess(replace(SETTINGS, intermediate_role_arn=HOP))
    hop, other = secrets_of(access, role=HOP), secrets_of(access)
    read(other)
    read(hop)
    hop.close()
    other.close()
    read(other)
    access.close()
    # The hop once, the other role twice.
    assert wire.count(aws("AssumeRole")) == 3


def test_closing_waits_for_no_slow_metadata_service(
    wire: WireProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    # Where EKS Pod Identity and ECS say that credentials are to be had.
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{wire.url}/credentials")
    released = threading.Event()
    wire.when(_asks_for_credentials, hold_until(released, answer(200, CREDENTIALS)))
    access = AwsAccess(SETTINGS)
    with ThreadPoolExecutor(2) as threads:
        try:
            waiting = threads.submit(read, secrets_of(access, role=""))
            wire.wait_for(_asks_for_credentials)
            threads.submit(access.close).result(timeout=10)
            assert not waiting.done()
        finally:
            released.set()
    access.close()


def _asks_for_credentials(request: Head) -> bool:
    return request.path == "/credentials"


def test_without_a_role_nothing_is_assumed(access: AwsAccess, wire: WireProxy) -> None:
    read(secrets_of(access, role=""))
    assert wire.count(aws("AssumeRole")) == 0


def test_a_role_that_may_not_be_assumed_is_refused_once_for_all(
    access: AwsAccess, wire: WireProxy
) -> None:
    wire.when(aws("AssumeRole"), answer(403, NOT_AUTHORIZED), times=None)
    references = [reference(Kind.SECRETS_MANAGER, f"k{number}", CURRENT) for number in range(20)]
    answers = secrets_of(access).read(references)
    assert {getattr(answer, "reason", "") for answer in answers.values()} == {"RoleDenied"}
    assert all(isinstance(answer, GiveUp) for answer in answers.values())
    assert wire.count(aws("AssumeRole")) == 1
    assert wire.count(aws("GetSecretValue")) == 0


def test_a_broken_answer_of_sts_is_tried_again_and_shown_nowhere(
    access: AwsAccess, wire: WireProxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wire.when(aws("AssumeRole"), answer(200, b"<Credentials>canary"), times=None)
    refused = read(secrets_of(access))
    assert isinstance(refused, Retry)
    assert "canary" not in str(refused) + caplog.text


def test_missing_credentials_are_looked_for_again(
    secrets: SecretsManagerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.put("db", b"x")
    with monkeypatch.context() as bare:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            bare.delenv(name)
        refused = read(secrets.backend)
        assert isinstance(refused, Retry)
        assert refused.reason == "NoCredentials"
        looks = secrets.backend.sweep([DB])
        assert isinstance(looks[DB.entry], Retry)
    assert not isinstance(read(secrets.backend), Retry)


def test_a_region_that_is_none_is_given_up(access: AwsAccess) -> None:
    refused = read(secrets_of(access, role="", region="not a region"))
    assert isinstance(refused, GiveUp)
    assert refused.reason == "InvalidRegion"


def test_a_key_that_the_api_cannot_take_is_given_up(access: AwsAccess) -> None:
    empty = reference(Kind.SECRETS_MANAGER, "", CURRENT)
    refused = secrets_of(access, role="").read([empty])[empty.entry]
    assert isinstance(refused, GiveUp)
    assert refused.reason == "InvalidKey"


def test_the_settings_follow_the_variables_of_kes() -> None:
    assert aws_settings({}) == AwsSettings()
    said = aws_settings(
        {
            "AWS_SM_ENDPOINT": "https://sm.internal",
            "AWS_SSM_ENDPOINT": "ssm.internal",
            "AWS_STS_ENDPOINT_TYPE": "legacy",
            "AWS_REGION": "eu-west-1",
            "AWS_INTERMEDIATE_ROLE_ARN": HOP,
            "HTTP_PROXY": "http://proxy:3128",
        }
    )
    assert said == AwsSettings(
        endpoint_sm="https://sm.internal",
        endpoint_ssm="https://ssm.internal",
        sts_regional=False,
        sts_region="eu-west-1",
        intermediate_role_arn=HOP,
        proxy="http://proxy:3128",
    )


def test_localstack_replaces_every_endpoint() -> None:
    said = aws_settings(
        {"LOCALSTACK": "1", "LOCALSTACK_SM_URL": "http://sm:1", "AWS_STS_ENDPOINT": "https://no"}
    )
    assert said.localstack
    assert said.endpoint_sm == "http://sm:1"
    assert said.endpoint_ssm == said.endpoint_sts == "http://localhost:4566"


@pytest.mark.parametrize(
    ("regional", "host"), [(True, "sts.us-west-2.amazonaws.com"), (False, "sts.amazonaws.com")]
)
def test_the_kind_of_sts_endpoint_is_obeyed(*, regional: bool, host: str) -> None:
    session = Sessions("us-west-2", Config(), sts_regional=regional).base()
    sts = session.client("sts", endpoint_url=None)
    assert sts.meta.endpoint_url == f"https://{host}"
    sts.close()


def test_the_sdk_is_imported_only_with_the_first_backend() -> None:
    program = """
import sys
from externalsecret.identity import Backend
from externalsecret.reference import Identity
from reconciler.backends import contract, memory
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import aws_settings
from reconciler.backends.opening import Access, open_backend
access = Access(AwsAccess(aws_settings({})))
assert not {"boto3", "botocore"} & set(sys.modules)
open_backend(Backend.PARAMETER_STORE, Identity(), "", access)
assert "botocore" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
