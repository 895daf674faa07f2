"""checkov looks at all of infra/, and finds nothing that is not explained where it stands."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import pythontool

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
OPEN = """\
Resources:
  Open:
    Type: AWS::SQS::Queue
    Properties: {SqsManagedSseEnabled: false}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Any]]]:
    """Of infra/ and of a template with a fault: what passed, failed and was skipped, by file."""
    planted = tmp_path_factory.mktemp("planted")
    (planted / "open.yaml").write_text(OPEN, encoding="utf-8")
    tool = pythontool.provide_at_once("checkov")
    done = subprocess.run(
        [
            *tool.command("checkov.main"),
            *("--directory", str(INFRA), "--directory", str(planted)),
            *("--framework", "cloudformation", "terraform", "secrets", "--output", "json"),
            "--skip-download",
        ],
        env=tool.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    results: dict[str, dict[str, list[Any]]] = {}
    for report in _documents(done.stdout):
        for outcome, checks in report.get("results", {}).items():
            for check in checks if outcome.endswith("_checks") else ():
                path = Path(check["file_abs_path"]).name
                results.setdefault(path, {}).setdefault(outcome, []).append(check)
    return results


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """The reports: a document for each folder, or a list where files of several kinds are in it."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text.rstrip()):
        document, place = decoder.raw_decode(text, place)
        place += len(text[place:]) - len(text[place:].lstrip())
        yield from document if isinstance(document, list) else [document]


def test_a_queue_without_encryption_would_be_found(
    found: dict[str, dict[str, list[Any]]],
) -> None:
    assert "CKV_AWS_27" in {check["check_id"] for check in found["open.yaml"]["failed_checks"]}


def test_nothing_is_wrong_in_what_users_deploy(found: dict[str, dict[str, list[Any]]]) -> None:
    looked_at = {path for path in found if path != "open.yaml"}
    assert {template.name for template in (INFRA / "aws").glob("*.yaml")} <= looked_at
    failed = {
        (path, check["check_id"], check["resource"])
        for path in looked_at
        for check in found[path].get("failed_checks", [])
    }
    assert failed == set()


def test_every_exception_says_why(found: dict[str, dict[str, list[Any]]]) -> None:
    for path, outcomes in found.items():
        for check in outcomes.get("skipped_checks", []):
            why = check["check_result"].get("suppress_comment", "")
            assert re.search(r"\w+ \w+ \w+", why), f"{path}: {check['check_id']} has no reason"
