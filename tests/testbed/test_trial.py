"""What `python -m testbed.trial` prints can be typed, and then does as docs/sources/try.md says."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hark.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["pubsub", "azurite", "openbao"])
def test_what_it_prints_makes_a_source_and_its_command_reaches_the_server(kind: str) -> None:
    command = [sys.executable, "-m", "testbed.trial", kind]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines: list[str] = []
            while not any(line.startswith("Ctrl-C") for line in lines):
                lines.append(server.stdout.readline())
                assert lines[-1], f"it has ended: {lines}"
            exports = [line.split("export ")[1].strip() for line in lines if "export " in line]
            environment = dict(shlex.split(line)[0].split("=", 1) for line in exports)
            assert len(read_settings(environment).sources) == 1
            (typed,) = [line for line in lines if line.startswith("  /")]
            done = subprocess.run(
                shlex.split(typed),
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **environment},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        finally:
            server.send_signal(signal.SIGINT)
        server.communicate()
    assert server.returncode == 0
