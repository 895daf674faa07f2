import contextlib
import re
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from externalsecret import definitions
from externalsecret.errors import GiveUp
from hark import commands
from hark.reaching import BACKEND_VARIABLES
from hark.settings import Settings
from hark.sourcevariables import SOURCE_VARIABLES
from hark.variables import RECONCILER_VARIABLES, SHARED_VARIABLES, VARIABLES

ROOT = Path(__file__).parents[2]


def _hark(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hark", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_crd_prints_the_definition() -> None:
    done = _hark("crd")
    assert (done.returncode, done.stdout) == (0, definitions.crd())


def test_version_prints_a_version() -> None:
    done = _hark("version")
    assert done.returncode == 0
    assert done.stdout.startswith("hark ")


@pytest.mark.parametrize("command", [(), ("run",)])
def test_help_tells_every_variable(command: tuple[str, ...]) -> None:
    told = _told(*command)
    assert told == {variable.name for variable in (*VARIABLES, *BACKEND_VARIABLES)}


def test_each_half_is_told_its_own_variables_and_how_it_logs_in_itself() -> None:
    hears = {variable.name for variable in SOURCE_VARIABLES}
    reads = {variable.name for variable in RECONCILER_VARIABLES}
    both = {variable.name for variable in SHARED_VARIABLES}
    reached = {variable.name for variable in BACKEND_VARIABLES}
    assert _told("reconcile") == _told("diff") == reads | both | reached
    listener = _told("listen")
    assert listener - reached == hears | both
    assert {"VAULT_ADDR", "AZURE_CLIENT_ID", "HTTPS_PROXY"} <= listener
    assert not {"AWS_SM_ENDPOINT", "AZURE_KEY_VAULT_DNS_SUFFIX"} & listener


def _told(*command: str) -> set[str]:
    done = _hark(*command, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 100
    tables = done.stdout.partition("environment, with")[2]
    return set(re.findall(r"^  ([A-Z][A-Z0-9_]+)", tables, re.MULTILINE))


@pytest.mark.parametrize("arguments", [(), ("sing",), ("listen", "--loud"), ("demo", "--ke")])
def test_bad_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = _hark(*arguments)
    assert done.returncode == 2
    assert "usage: hark" in done.stderr


def test_a_malformed_queue_url_ends_with_2() -> None:
    done = _hark("listen", HARK_SQS_QUEUE_URLS="hark-changes")
    assert done.returncode == 2
    assert "is not the URL of an SQS queue" in done.stderr


def test_a_bad_setting_ends_with_2_and_one_sentence() -> None:
    done = _hark("listen", METRICS_PORT="http")
    assert done.returncode == 2
    assert done.stderr.startswith("hark: METRICS_PORT=http ")
    assert len(done.stderr.splitlines()) == 1


def test_help_and_crd_import_no_half_and_no_cloud_sdk() -> None:
    code = (
        "import sys; from hark.commands import main; main(['crd']); "
        "print({'listener', 'reconciler', 'boto3'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "set()"


def test_a_half_gets_the_settings_and_its_exit_code_is_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got: list[Settings] = []

    def run(settings: Settings) -> int:
        got.append(settings)
        return 7

    half = types.ModuleType("hark.listening")
    half.run = run  # type: ignore[attr-defined] # A module made here has no declared functions.
    monkeypatch.setitem(sys.modules, "hark.listening", half)
    monkeypatch.setattr(commands, "set_up_logs", lambda *_: None)
    assert commands.main(["listen"], {"METRICS_PORT": "0"}) == 7
    assert got[0].metrics_port == 0


def test_a_half_that_gives_up_ends_with_1_and_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_settings: Settings) -> int:
        raise GiveUp("There is no cluster.", reason="NoCluster")

    half = types.ModuleType("hark.listening")
    half.run = run  # type: ignore[attr-defined] # As above.
    monkeypatch.setitem(sys.modules, "hark.listening", half)
    monkeypatch.setattr(commands, "set_up_logs", lambda *_: None)
    assert commands.main(["listen"], {}) == 1
    assert capsys.readouterr().err == "hark: There is no cluster.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_and_the_second_one_ends(number: signal.Signals) -> None:
    code = "stop.wait()\nprint('asked', flush=True)\nthreading.Event().wait()\n"
    with _waiting(code) as (process, lines):
        process.send_signal(number)
        assert lines.readline() == "asked\n"
        process.send_signal(number)
        assert process.wait(10) == 128 + number


def test_a_signal_in_the_middle_of_a_wait_for_it_does_not_lock() -> None:
    # Short waits are mostly inside the event's own lock, where a handler must not set it.
    code = "while not stop.wait(0):\n    pass\nprint('asked', flush=True)\n"
    for _ in range(5):
        with _waiting(code) as (process, lines):
            process.send_signal(signal.SIGTERM)
            assert lines.readline() == "asked\n"
            assert process.wait(10) == 0


@contextlib.contextmanager
def _waiting(code: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A process with a stop event that listens to signals, and what it prints after `ready`."""
    start = (
        "import threading\n"
        "from hark.signals import stop_on_signals\n"
        "stop = threading.Event()\n"
        "stop_on_signals(stop)\n"
        "print('ready', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start + code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        # Whatever fails, the process must not outlive the test, which would wait for it.
        impatient = threading.Timer(20, process.kill)
        impatient.start()
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process, process.stdout
        finally:
            impatient.cancel()
            process.kill()
