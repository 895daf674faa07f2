"""The workflows, and what else of the project only others' machines would run."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed import actionlint

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def _workflow(name: str) -> dict[str, Any]:
    text = (ROOT / ".github/workflows" / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _runs(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_actionlint_finds_nothing() -> None:
    program = actionlint.provide_at_once()
    # Only its own rules: a shellcheck or pyflakes of the machine may be there or not.
    rules = ["-no-color", "-shellcheck=", "-pyflakes="]
    done = subprocess.run(
        [str(program), *rules, *map(str, WORKFLOWS)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "release.yml"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_and_tells_the_version(workflow: Path) -> None:
    uses = re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_one_action_is_pinned_to_one_commit_everywhere() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\S+)", text))
    assert len(pins) == len({name for name, _ in pins})


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_the_workflows_run_what_a_developer_runs(workflow: Path) -> None:
    jobs = _workflow(workflow.name)["jobs"]
    named = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(_runs(job) for job in jobs.values())))
    assert "test" in named
    assert named <= TARGETS
    assert "make test" in {step.get("run") for step in jobs["test"]["steps"]}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_the_code_and_each_job_says_what_more(workflow: Path) -> None:
    loaded = _workflow(workflow.name)
    assert loaded["permissions"] == {"contents": "read"}
    for job in loaded["jobs"].values():
        assert job["timeout-minutes"] > 0
        assert job.get("permissions", {}).get("contents", "read") == "read"
        for step in job["steps"]:
            # A run on another's text would be a command of another's.
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_image_is_built_and_started_by_ci() -> None:
    assert "make image-test" in _runs(_workflow("ci.yml")["jobs"]["image"])


def test_a_release_waits_for_the_tests_and_for_the_tag_to_be_the_version() -> None:
    jobs = _workflow("release.yml")["jobs"]
    assert jobs["image"]["needs"] == "test"
    assert jobs["chart"]["needs"] == "image"
    assert '= "$GITHUB_REF_NAME"' in _runs(jobs["test"])


def test_a_release_has_both_architectures_an_sbom_a_signature_and_provenance() -> None:
    steps = _workflow("release.yml")["jobs"]["image"]["steps"]
    (build,) = [step["with"] for step in steps if "build-push-action" in step.get("uses", "")]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert build["sbom"] is True
    assert build["provenance"] == "mode=max"
    assert "cosign sign --yes" in _runs({"steps": steps})
    assert any("attest-build-provenance@" in step.get("uses", "") for step in steps)


def test_the_build_arguments_of_a_release_are_those_of_the_dockerfile() -> None:
    steps = _workflow("release.yml")["jobs"]["image"]["steps"]
    (build,) = [step["with"] for step in steps if "build-push-action" in step.get("uses", "")]
    given = {line.split("=")[0] for line in build["build-args"].splitlines()}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    declared = re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)
    assert given == set(declared) - {"EXTRAS"}
    base = _workflow("release.yml")["env"]["BASE"]
    assert f"ARG BASE={base}\n" in dockerfile


def test_the_chart_is_pushed_and_signed() -> None:
    run = _runs(_workflow("release.yml")["jobs"]["chart"])
    assert "helm push" in run
    assert "oci://" in run
    assert "cosign sign --yes" in run


def test_dependabot_looks_at_every_manifest_that_there_is() -> None:
    text = (ROOT / ".github/dependabot.yml").read_text(encoding="utf-8")
    folders: dict[str, set[str]] = {}
    for update in yaml.safe_load(text)["updates"]:
        places = update.get("directories", [update.get("directory")])
        folders[update["package-ecosystem"]] = {str(place) for place in places}

    def holding(pattern: str) -> set[str]:
        return {f"/{path.parent.relative_to(ROOT)}" for path in (ROOT / "testbed").rglob(pattern)}

    assert folders["gomod"] == holding("go.mod")
    assert folders["npm"] == holding("package.json")
    assert {"github-actions", "pip"} <= set(folders)
