"""What Dockerfile says, without building it; `make image-test` builds it (tests/image/built.py)."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from testbed import pythontool
from testbed.image import NoBuilderError, build_arguments, builder, labels

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((ROOT / "charts/hark/values.yaml").read_text(encoding="utf-8"))


def _instructions() -> list[str]:
    """One line an instruction, without comments."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def _stages() -> list[list[str]]:
    found: list[list[str]] = []
    for line in filter(None, _instructions()):
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def _pinned(lock: str) -> set[str]:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE))


def test_hadolint_finds_nothing() -> None:
    tool = pythontool.provide_at_once("hadolint")
    program = next(tool.packages.glob("bin/hadolint*"))
    done = subprocess.run(
        [str(program), "--failure-threshold", "style", "Dockerfile"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_a_slim_python_of_the_version_that_the_tests_run_on() -> None:
    found = re.search(r"^ARG BASE=\S+/python:(\d+\.\d+)-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert found
    assert PROJECT["project"]["requires-python"] == f">={found[1]}"


def test_every_package_comes_as_a_wheel_with_a_pinned_hash() -> None:
    pip = [
        call
        for line in _instructions()
        for call in re.findall(r"-m pip (?:--python \S+ )?(?:install|download|wheel)[^&]*", line)
    ]
    assert len(pip) == 4
    for call in pip:
        assert "--no-index" in call or "--only-binary=:all: --require-hashes" in call


def test_the_builds_own_tools_are_those_that_the_project_asks_for() -> None:
    asked = {re.split("[=>]", line)[0] for line in PROJECT["dependency-groups"]["build"]}
    asked_by_build = {re.split("[=>]", line)[0] for line in PROJECT["build-system"]["requires"]}
    assert asked <= _pinned("build.txt")
    # An editable install is the only thing that wants `editables`.
    assert asked_by_build - {"editables"} <= _pinned("build.txt")


def test_all_extras_but_the_demo_are_in_the_image_by_default() -> None:
    found = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert found
    assert set(found[1].split(",")) == set(PROJECT["project"]["optional-dependencies"]) - {"demo"}
    assert '"hark[${EXTRAS}]"' in DOCKERFILE


def test_the_page_about_the_image_tells_every_part() -> None:
    page = (ROOT / "docs/image.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    parts = set(PROJECT["project"]["optional-dependencies"]) - {"demo"}
    assert set(re.findall(r"`([a-z]+)`", table)) == parts


def test_every_package_of_the_wheel_is_copied() -> None:
    copied = {line.split()[1] for line in _instructions() if line.startswith("COPY ")}
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied


def test_what_is_copied_is_let_through_to_the_builder_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        name
        for line in _instructions()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert "*" in ignored
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_no_description_of_an_aws_service_that_is_called_is_trimmed() -> None:
    files = [*(ROOT / "listener").rglob("*.py"), *(ROOT / "reconciler/backends").rglob("*.py")]
    called = {
        name
        for path in files
        for name in re.findall(r'client\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
    }
    trimming = (ROOT / "requirements/trim-packages").read_text(encoding="utf-8")
    kept = set(re.findall(r"-not -name ([a-z-]+)", trimming))
    assert called >= {"sqs", "events"}
    assert called <= kept
    # Those that a table of services names (reconciler/backends/awsclient.py).
    assert {"secretsmanager", "ssm", "sts"} <= kept


def test_the_last_stage_runs_nothing_and_starts_from_nothing() -> None:
    last = _stages()[-1]
    assert last[0] == "FROM scratch"
    assert not [line for line in last if line.startswith("RUN ")]
    assert [line for line in last if line.startswith("COPY ")] == ["COPY --from=bare / /"]


def test_the_user_is_the_number_that_the_chart_runs_it_as() -> None:
    context = VALUES["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in _stages()[-1]
    assert context["runAsUser"] > 0


def test_the_chart_gives_the_entry_point_a_half() -> None:
    assert 'ENTRYPOINT ["hark"]' in _stages()[-1]
    deployment = (ROOT / "charts/hark/templates/deployments.yaml").read_text(encoding="utf-8")
    assert "args: [{{ $command }}]" in deployment
    assert "command:" not in deployment


def test_the_labels_are_those_of_oci() -> None:
    last = next(line for line in _stages()[-1] if line.startswith("LABEL "))
    found = set(re.findall(r"org\.opencontainers\.image\.([a-z.]+)=", last))
    assert found == {
        *("title", "description", "licenses", "version", "revision", "created", "source"),
        *("base.name", "base.digest"),
    }
    assert f'licenses="{PROJECT["project"]["license"]}"' in last


def test_the_builder_is_docker_where_its_daemon_answers_else_buildah() -> None:
    assert builder(lambda command: command == ["docker", "info"]) == ["docker", "build"]
    assert builder(lambda command: command[0] == "buildah") == ["buildah", "build"]


def test_a_machine_without_a_builder_is_told_what_to_install() -> None:
    with pytest.raises(NoBuilderError, match="install buildah"):
        builder(lambda _command: False)


def test_only_arguments_that_say_something_are_given_and_each_is_declared() -> None:
    given = build_arguments("hark:1", {"EXTRAS": "", **labels(), "VERSION": "1"})
    assert "--build-arg=VERSION=1" in given
    assert not [argument for argument in given if argument.startswith("--build-arg=EXTRAS")]
    assert given[-3:-1] == ["--tag", "hark:1"]
    for argument in labels():
        assert f"ARG {argument}" in _stages()[-1]
