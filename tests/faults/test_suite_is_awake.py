"""A suite that is always green may be asleep: each broken promise must turn its test red.

Every fault of launch.py is put into the halves of one test of tests/crash, which pytest runs in a
process of its own against the same cluster and the same AWS.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.moto import Moto

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCHER = REPOSITORY / "tests" / "faults" / "launch.py"
TEST_FAILED = 1
"""pytest's exit code when tests ran and some failed."""
NO_FAULT = "no-fault"


@dataclass(frozen=True)
class Witness:
    """The test that notices a fault, and what it says then."""

    test: str
    says: str


WITNESSES = {
    "ack-before-note": Witness(
        "test_listener_is_killed.py"
        "::test_killed_between_receive_and_note_it_hears_the_change_again",
        "a message was acknowledged before its note",
    ),
    "skip-version-check": Witness(
        "test_messages_misbehave.py"
        "::test_a_value_that_cannot_be_read_yet_arrives_without_an_error[GetSecretValue]",
        "an old value was taken for the new one",
    ),
    "drop-a-note": Witness(
        "test_messages_misbehave.py::test_of_two_changes_in_the_wrong_order"
        "_the_newest_wins_by_one_read",
        "a message was acknowledged without note",
    ),
    "read-twice": Witness(
        "test_messages_misbehave.py::test_an_event_that_comes_ten_times_costs_one_read",
        "a version cost more than one read",
    ),
    "drop-live-entries": Witness(
        "test_messages_misbehave.py::test_a_changed_key_leaves_the_others_in_the_secret",
        "the write dropped an entry that had not changed",
    ),
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(served_cluster: Cluster, moto: Moto) -> Run:
    """Run tests of tests/crash with a fault in the product: `run(fault, *tests)`."""

    def run_pytest(fault: str, *tests: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HARK_TEST_KUBECONFIG": str(served_cluster.admin_kubeconfig),
            "HARK_TEST_MOTO": moto.url,
            "HARK_TEST_LAUNCHER": f"'{LAUNCHER}' {fault}",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        paths = [f"tests/crash/{test}" for test in tests]
        return subprocess.run(
            [*command, *paths],
            cwd=REPOSITORY,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    return run_pytest


@pytest.mark.parametrize("fault", WITNESSES)
def test_the_suite_turns_red_by(fault: str, run: Run) -> None:
    witness = WITNESSES[fault]
    ended = run(fault, witness.test)
    assert ended.returncode == TEST_FAILED, ended.stdout
    assert "1 failed" in ended.stdout
    assert "error" not in ended.stdout.splitlines()[-1]
    reasons = [line for line in ended.stdout.splitlines() if line.startswith("E ")]
    assert any(witness.says in reason for reason in reasons), ended.stdout


def test_a_test_is_green_when_the_same_launcher_puts_no_fault_in(run: Run) -> None:
    # All are green without the launcher, as tests/crash shows; one tells that it is harmless.
    ended = run(NO_FAULT, WITNESSES["drop-live-entries"].test)
    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout
