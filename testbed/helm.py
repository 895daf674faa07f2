"""Helm, as a user types it; `python -m testbed.helm` provides the program and prints where it is.

Built from its published Go module on first use (two to four minutes, once per machine). Built so,
it takes an unknown cluster for Kubernetes 1.20: `template` is told the version of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import cache, gobuild
from testbed.binaries import KUBERNETES


class HelmError(Exception):
    """Helm refused; the message is what it printed."""


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return the program, built on first use; raises CannotProvideError."""
    return gobuild.provide_go_tool(*gobuild.HELM, progress)


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take minutes."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "Helm is not on this machine yet. Run `make tools`, or `python -m testbed.helm`, once, "
            "which may take minutes, and then try again."
        )

    return provide(refuse)


class Helm:
    """Helm with an empty home of its own, on a chart, for one cluster or none."""

    def __init__(self, chart: Path, kubeconfig: Path | None = None) -> None:
        self._program = provide_at_once()
        self._chart = chart
        self._home = tempfile.TemporaryDirectory(prefix="helm-")
        self._kubeconfig = str(kubeconfig) if kubeconfig else "/nowhere/at-all"

    def close(self) -> None:
        self._home.cleanup()

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """What it prints. Raises HelmError."""
        given: Sequence[str] = () if values is None else ("--values", "-")
        done = subprocess.run(
            [str(self._program), *arguments, *given],
            input=None if values is None else json.dumps(values),
            env={
                "PATH": os.environ["PATH"],
                "HOME": self._home.name,
                "KUBECONFIG": self._kubeconfig,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HelmError(done.stderr + done.stdout)
        return done.stdout

    def lint(self, values: Mapping[str, Any]) -> str:
        """Check the chart with these values."""
        return self.run("lint", "--strict", str(self._chart), values=values)

    def template(self, release: str, namespace: str, values: Mapping[str, Any]) -> str:
        """Render the chart, without a cluster."""
        version = KUBERNETES.removeprefix("v")
        where = ("--namespace", namespace, "--kube-version", version)
        return self.run("template", release, str(self._chart), *where, values=values)

    def deploy(self, release: str, namespace: str, values: Mapping[str, Any]) -> str:
        """Install the chart, or upgrade it to these values."""
        where = ("--namespace", namespace, "--install")
        return self.run("upgrade", release, str(self._chart), *where, values=values)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
