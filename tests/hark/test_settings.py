from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from externalsecret.errors import GiveUp
from externalsecret.kubeevents import ObjectRef
from hark.settings import Settings, read_settings
from hark.sources.sqs import SqsPlan
from hark.sourcevariables import MAKE_A_SOURCE
from hark.variables import VARIABLES
from listener.sources.queueurl import parse_queue_url

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/hark"


class Recorded(Mapping[str, str]):
    """An environment that knows what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _read(tmp_path: Path, **environ: str) -> Settings:
    return read_settings(environ, namespace_file=tmp_path / "none", hostname=lambda: "machine")


def test_without_any_variable_the_defaults_stand(tmp_path: Path) -> None:
    settings = _read(tmp_path)
    assert settings.sources == ()
    assert settings.sweep_interval == 6 * 3600
    assert settings.watched_namespaces == ()
    assert settings.workers == 8
    assert settings.cache_bytes == 64 * 2**20
    assert list(settings.reread_delays) == [1, 3, 8, 20, 35, 53]
    assert (settings.metrics_port, settings.second_metrics_port) == (3001, 3002)
    assert (settings.log_level, settings.log_format) == ("info", "auto")
    assert settings.leader_election
    assert settings.namespace == "default"
    assert settings.kubeconfig is None
    assert settings.warnings == ()


def test_the_table_holds_every_variable_that_is_read() -> None:
    environ = Recorded()
    read_settings(environ)
    assert environ.asked == {variable.name for variable in VARIABLES}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HARK_SWEEP_INTERVAL", "6"),
        ("HARK_SWEEP_INTERVAL", "500ms"),
        ("HARK_SWEEP_INTERVAL", "31d"),
        ("POLLER_INTERVAL_MILLISECONDS", "often"),
        ("POLLER_INTERVAL_MILLISECONDS", "0"),
        ("POLLER_INTERVAL_MILLISECONDS", "-10000"),
        ("POLLER_INTERVAL_MILLISECONDS", "3000000000"),
        ("WATCHED_NAMESPACES", "shop,Not_A_Name"),
        ("POD_NAMESPACE", "a/b"),
        ("NAMING_PERMITTED_ANNOTATION", "two words"),
        ("ROLE_PERMITTED_ANNOTATION", "a/b/c"),
        ("HARK_PERMITTED_FULL_MATCH", "maybe"),
        ("AWS_REGION", "europe"),
        ("AWS_REGION", "eu-west-1.evil.example"),
        ("HARK_LEADER_ELECTION", "maybe"),
        ("HARK_VAULT_SOURCE", "maybe"),
        ("HARK_VAULT_POLL_INTERVAL", "10ms"),
        ("HARK_VAULT_COMPARE_INTERVAL", "never"),
        ("HARK_WORKERS", "0"),
        ("HARK_WORKERS", "65"),
        ("HARK_WORKERS", "many"),
        ("HARK_CACHE_BYTES", "64MB"),
        ("HARK_CACHE_BYTES", "1Ki"),
        ("HARK_CACHE_BYTES", "5Gi"),
        ("HARK_REREAD_DELAYS", "1s,,3s"),
        ("HARK_REREAD_DELAYS", "1s,3"),
        ("HARK_REREAD_DELAYS", ",".join(["1s"] * 21)),
        ("METRICS_PORT", "65535"),
        ("METRICS_PORT", "http"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_nonsense_is_refused_with_name_and_example(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(GiveUp) as refusal:
        _read(tmp_path, **{name: text})
    assert refusal.value.reason == "InvalidSetting"
    assert refusal.value.message.startswith(f"{name}=")
    assert f"Example: {name}=" in refusal.value.message


def test_who_follows_the_examples_of_refusals_is_accepted(tmp_path: Path) -> None:
    for variable in VARIABLES:
        _follow(tmp_path, variable.name)


@pytest.mark.parametrize("name", MAKE_A_SOURCE)
def test_whoever_sets_what_makes_a_source_has_one(name: str, tmp_path: Path) -> None:
    assert _follow(tmp_path, name).sources


def _follow(tmp_path: Path, name: str) -> Settings:
    """What follows from nonsense and the examples that its refusals give."""
    environ = {name: "?!"}
    # A setting may need others, which are then asked for one by one.
    for _ in range(5):
        try:
            return _read(tmp_path, **environ)
        except GiveUp as refusal:
            other, _, example = refusal.message.partition("Example: ")[2].partition("=")
            assert environ.get(other) != example
            environ[other] = example
    pytest.fail(f"{environ} is not accepted either")


def test_lists_are_trimmed_and_hold_nothing_twice(tmp_path: Path) -> None:
    settings = _read(tmp_path, WATCHED_NAMESPACES=" shop, payment ,,shop")
    assert settings.watched_namespaces == ("shop", "payment")


def test_queues_are_known_by_their_names(tmp_path: Path) -> None:
    other = "https://queues.corp.example/123456789012/b"
    settings = _read(tmp_path, HARK_SQS_QUEUE_URLS=f"{QUEUE}, {other},,{QUEUE}")
    assert [plan.label for plan in settings.sources] == ["sqs:hark", "sqs:b"]
    assert settings.sources == (
        SqsPlan(parse_queue_url(QUEUE), "sqs:hark"),
        SqsPlan(parse_queue_url(other), "sqs:b"),
    )


def test_queues_of_one_name_are_told_apart_by_region_and_account(tmp_path: Path) -> None:
    here, there = (f"https://sqs.{region}.amazonaws.com" for region in ("eu-west-1", "us-east-1"))
    urls = [f"{here}/111111111111/hark", f"{there}/111111111111/hark", f"{here}/111111111111/b"]
    private = "https://queues.corp.example/222222222222/hark"
    settings = _read(tmp_path, HARK_SQS_QUEUE_URLS=",".join([*urls, private]))
    assert [plan.label for plan in settings.sources] == [
        "sqs:eu-west-1/111111111111/hark",
        "sqs:us-east-1/111111111111/hark",
        "sqs:b",
        "sqs:queues.corp.example/222222222222/hark",
    ]


@pytest.mark.parametrize("text", ["hark", f"{QUEUE},arn:aws:sqs:eu-west-1:123456789012:hark"])
def test_what_is_no_queue_url_is_refused_when_settings_are_read(text: str, tmp_path: Path) -> None:
    with pytest.raises(GiveUp) as refusal:
        _read(tmp_path, HARK_SQS_QUEUE_URLS=text)
    assert refusal.value.reason == "InvalidSetting"
    assert refusal.value.message.startswith("HARK_SQS_QUEUE_URLS: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://key:hunter2@queues.corp.example/123456789012/hark",
        "https://key:hunter2,x@queues.corp.example/123456789012/hark",
        "https://key:hunter2@queues.corp.example:port/123456789012/hark",
        "https://queues.corp.example/123456789012/hark?signature=hunter2",
    ],
)
def test_a_password_in_a_queue_url_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(GiveUp) as refusal:
        _read(tmp_path, HARK_SQS_QUEUE_URLS=url)
    assert "hunter2" not in str(refusal.value)


def test_a_blank_variable_is_as_good_as_none(tmp_path: Path) -> None:
    assert _read(tmp_path, METRICS_PORT="", LOG_LEVEL=" ") == _read(tmp_path)


def test_the_interval_of_kes_sets_the_sweep(tmp_path: Path) -> None:
    settings = _read(tmp_path, POLLER_INTERVAL_MILLISECONDS="300000")
    assert settings.sweep_interval == 300
    assert settings.warnings == ()


def test_our_interval_goes_before_that_of_kes_and_says_so(tmp_path: Path) -> None:
    settings = _read(tmp_path, POLLER_INTERVAL_MILLISECONDS="10000", HARK_SWEEP_INTERVAL="1h")
    assert settings.sweep_interval == 3600
    (warning,) = settings.warnings
    assert "does not count" in warning


def test_an_interval_below_a_minute_is_honoured_and_priced(tmp_path: Path) -> None:
    settings = _read(tmp_path, POLLER_INTERVAL_MILLISECONDS="10000")
    assert settings.sweep_interval == 10
    (warning,) = settings.warnings
    assert "every 10s" in warning
    assert "259,200 calls a month" in warning
    assert "25,920,000" in warning


@pytest.mark.parametrize("text", ["", "false", "true"])
def test_polling_is_disabled_by_presence_alone(text: str, tmp_path: Path) -> None:
    settings = _read(tmp_path, DISABLE_POLLING=text)
    assert settings.sweep_interval is None
    (warning,) = settings.warnings
    assert "no sweep" in warning


@pytest.mark.parametrize(
    ("text", "level"),
    [("trace", "debug"), ("WARN", "warning"), ("fatal", "critical"), ("error", "error")],
)
def test_the_log_levels_of_kes_are_understood(text: str, level: str, tmp_path: Path) -> None:
    assert _read(tmp_path, LOG_LEVEL=text).log_level == level


def test_the_region_comes_from_either_variable_of_aws(tmp_path: Path) -> None:
    assert _read(tmp_path, AWS_DEFAULT_REGION="eu-west-1").aws_region == "eu-west-1"
    both = _read(tmp_path, AWS_REGION="us-gov-west-1", AWS_DEFAULT_REGION="eu-west-1")
    assert both.aws_region == "us-gov-west-1"
    assert not both.defaults.region_forced


def test_an_emulator_forces_the_region(tmp_path: Path) -> None:
    assert _read(tmp_path, LOCALSTACK="1").defaults.region == "us-west-2"
    settings = _read(tmp_path, LOCALSTACK="true", AWS_REGION="eu-west-1")
    assert settings.defaults.region == "eu-west-1"
    assert settings.defaults.region_forced


def test_the_cluster_is_the_named_one_else_the_pods_else_the_users(tmp_path: Path) -> None:
    home = tmp_path / ".kube" / "config"
    home.parent.mkdir()
    home.touch()
    user = {"HOME": str(tmp_path)}
    pod = {**user, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert _read(tmp_path, **user).kubeconfig == str(home)
    assert _read(tmp_path, **pod).kubeconfig is None
    assert _read(tmp_path, **pod, KUBECONFIG="/mine").kubeconfig == "/mine"


def test_a_pod_keeps_its_identity_over_a_restart_and_two_processes_elsewhere_differ(
    tmp_path: Path,
) -> None:
    assert _read(tmp_path, POD_NAME="hark-0", HOSTNAME="h").identity == "hark-0"
    pod = _read(tmp_path, HOSTNAME="hark-1", KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert pod.identity == "hark-1"
    assert _read(tmp_path).identity.startswith("machine-")


def test_the_own_namespace_is_the_pods(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("hark\n")
    assert read_settings({}, namespace_file=file).namespace == "hark"
    named = read_settings({"POD_NAMESPACE": "other"}, namespace_file=file)
    assert named.namespace == "other"


def test_both_ports_are_free_ones_where_one_is(tmp_path: Path) -> None:
    assert _read(tmp_path, METRICS_PORT="0").second_metrics_port == 0


def test_permissions_are_named_and_read_as_in_kes(tmp_path: Path) -> None:
    settings = _read(tmp_path)
    assert settings.naming_annotation == "externalsecrets.kubernetes-client.io/permitted-key-name"
    assert settings.role_annotation == "iam.amazonaws.com/permitted"
    assert not settings.permitted_full_match
    renamed = _read(tmp_path, NAMING_PERMITTED_ANNOTATION="n", ROLE_PERMITTED_ANNOTATION="a.b/R_1")
    assert (renamed.naming_annotation, renamed.role_annotation) == ("n", "a.b/R_1")
    assert _read(tmp_path, HARK_PERMITTED_FULL_MATCH="true").permitted_full_match


@pytest.mark.parametrize("text", ["", "false", "true"])
def test_annotations_are_enforced_by_presence_alone(text: str, tmp_path: Path) -> None:
    assert not _read(tmp_path).annotations_enforced
    assert _read(tmp_path, ENFORCE_NAMESPACE_ANNOTATIONS=text).annotations_enforced


def test_the_pod_that_this_is_is_known_where_somebody_says_so(tmp_path: Path) -> None:
    said = {"POD_NAME": "hark-listener-0", "POD_NAMESPACE": "hark-system", "POD_UID": "u1"}
    pod = ObjectRef("hark-system", "hark-listener-0", "u1", "v1", "Pod")
    assert read_settings(said).pod == pod
    assert read_settings({}, namespace_file=tmp_path / "none").pod is None
