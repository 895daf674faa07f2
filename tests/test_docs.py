"""What README.md and docs/ name is there: files, commands, settings, metrics, outputs, examples."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from externalsecret.manifest import read_manifest
from hark.commands import main, make_parser
from hark.reaching import BACKEND_VARIABLES
from hark.variables import VARIABLES
from listener.metrics import ListenerMetrics
from reconciler.metrics import ReconcilerMetrics

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PRODUCT = ("hark", "listener", "reconciler", "externalsecret")
NO_FILES = {
    "kubernetes-client.io/v1",
    "externalsecrets.kubernetes-client.io/adopt",
    "externalsecrets.kubernetes-client.io/managed-by",
    "externalsecrets.kubernetes-client.io/refresh",
    "external-secrets.io/v1",
    "externalsecrets.kubernetes-client.io/permitted-key-name",
    "externalsecrets/status",
    "iam.amazonaws.com/permitted",
    "~/.cache/hark",
}
EXAMPLE_KEY = re.compile(r"(?:my/|not-)?team-[ab]/|shared/")
"""Backend keys in docs/permissions.md, and expressions of them."""

OF_THE_SDKS = {
    "AWS_CA_BUNDLE",
    "CAPABILITY_IAM",
    "ERROR_CODE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NO_PROXY",
    "PUBSUB_EMULATOR_HOST",
    "SECRET_ROTATE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
}
"""Settings that no line of ours reads."""

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.*~-]+(?:/[\w.*-]*)+|[\w*-]+\.(?:py|md|yaml|toml|json)")


def _prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def _words(page: Path) -> list[str]:
    """What stands in backticks."""
    return IN_BACKTICKS.findall(_prose(page))


def _code(page: Path) -> str:
    """All that a reader may type: what stands in backticks or is indented as code."""
    lines = [line for line in _prose(page).splitlines() if line.startswith("    ")]
    return "\n".join(_words(page) + lines)


def _named(pattern: str) -> set[str]:
    """What a pattern finds in the code of all pages."""
    return {found for page in PAGES for found in re.findall(pattern, _code(page))}


def _examples() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for language, text in FENCED.findall(page.read_text(encoding="utf-8")):
            if language == "yaml":
                yield page.name, text
    for path in sorted((ROOT / "examples").rglob("*.yaml")):
        yield path.name, path.read_text(encoding="utf-8")


def _sources() -> Iterator[str]:
    for folder in (*PRODUCT, "infra"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml"}:
                yield path.read_text(encoding="utf-8")


def _is_there(name: str) -> bool:
    """A file or folder, from the root, or by its bare name beside another one that is named."""
    if "/" in name:
        return any(ROOT.glob(name.rstrip("/")))
    return (ROOT / name).is_file() or any(any((ROOT / top).rglob(name)) for top in PRODUCT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = {word for word in _words(page) if FILE.fullmatch(word)} - NO_FILES
    named = {word for word in named if not EXAMPLE_KEY.match(word)}
    assert named
    assert not [name for name in sorted(named) if not _is_there(name)]


def test_every_make_target_that_is_named_is_one() -> None:
    rules = re.findall(
        r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = _named(r"\bmake ([a-z-]+)\b")
    assert named
    assert named <= set(rules)


@pytest.mark.parametrize(
    "command", sorted(_named(r"(?<!helm install )\bhark (-*[a-z]+(?:-[a-z]+)*)\b"))
)
def test_every_command_that_is_named_is_one(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: hark" in capsys.readouterr().out


TYPED = [
    re.split(r" [|>] ", line)[0].strip()
    for page in PAGES
    for line in [*_prose(page).splitlines(), *_words(page)]
    if re.match(r"(?: {4,}(?:\.venv/bin/)?)?hark [a-z-]+ [-\w]", line)
]


@pytest.mark.parametrize("line", TYPED)
def test_every_command_that_a_reader_may_type_is_understood(line: str) -> None:
    typed = shlex.split(line.removeprefix(".venv/bin/"))[1:]
    assert callable(make_parser().parse_args(typed).action)


def test_the_snippet_tells_the_listener_its_pod() -> None:
    (text,) = [text for name, text in _examples() if name == "README.md" and "POD_UID" in text]
    told = {row["name"]: row["valueFrom"]["fieldRef"] for row in yaml.safe_load(text)["env"]}
    assert {name: field["fieldPath"] for name, field in told.items()} == {
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
        "POD_UID": "metadata.uid",
    }


def _read_by_backends() -> set[str]:
    files = (ROOT / "reconciler" / "backends").glob("*settings.py")
    quoted = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')
    return {name for file in files for name in quoted.findall(file.read_text(encoding="utf-8"))}


FORMED = {f"AWS_{service}_ENDPOINT" for service in ("SM", "SSM", "STS")} | {
    f"LOCALSTACK_{service}_URL" for service in ("SM", "SSM", "STS")
}
"""Names that the code forms of parts."""


def test_help_tells_every_variable_that_a_backend_reads() -> None:
    told = {variable.name for variable in BACKEND_VARIABLES}
    general = {variable.name for variable in VARIABLES}
    assert told == (_read_by_backends() | FORMED) - general


def test_every_setting_that_is_named_is_read() -> None:
    named = _named(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
    assert named
    read = {variable.name for variable in VARIABLES} | _read_by_backends() | FORMED
    assert named <= read | OF_THE_SDKS


def test_every_metric_that_is_named_is_counted() -> None:
    registry = CollectorRegistry()
    ListenerMetrics(registry)
    ReconcilerMetrics(registry)
    samples = {"_total", "_bucket", "_count", "_sum", ""}
    counted = {metric.name + sample for metric in registry.collect() for sample in samples}
    assert _named(r"\bhark_[a-z_]+") <= counted


def test_every_reason_output_and_operation_that_is_named_stands_in_the_sources() -> None:
    words = {word for page in PAGES for word in _words(page)}
    named = {word for word in words if re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}", word)}
    sources = "\n".join(_sources())
    assert named
    assert not [word for word in sorted(named) if not re.search(rf"\b{word}\b", sources)]


def test_every_policy_of_the_stack_is_named_where_the_reader_attaches_them() -> None:
    template = (ROOT / "infra/aws/hark-events.yaml").read_text(encoding="utf-8")
    outputs = set(re.findall(r"^  (\w+PolicyArn):$", template, re.MULTILINE))
    assert outputs
    assert outputs <= set(_words(ROOT / "docs" / "from-a-checkout.md"))


@pytest.mark.parametrize(("name", "text"), list(_examples()))
def test_every_example_is_yaml_and_every_manifest_among_them_is_understood(
    name: str, text: str
) -> None:
    documents = list(yaml.safe_load_all(text))
    assert documents, name
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "ExternalSecret":
            assert read_manifest(document["spec"], Defaults(region="eu-central-1")).references
