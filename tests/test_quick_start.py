"""The quick start of the README, as somebody would type it, on an API server of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from testbed.controlplane import ControlPlane

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = "system:serviceaccount:hark-system:hark-"
AWAITS_A_SECRET = "kubectl wait"


def _commands() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^ {7}((?:kubectl|\.venv/bin/hark) .+)$", text, re.MULTILINE)
    return [command for command in found if not command.startswith(AWAITS_A_SECRET)]


def test_the_commands_of_the_quick_start_give_each_half_its_rights(
    control_plane: ControlPlane,
) -> None:
    environment = {
        "HOME": os.environ["HOME"],
        "KUBECONFIG": str(control_plane.admin_kubeconfig),
        "PATH": f"{control_plane.kubectl.parent}:{os.environ['PATH']}",
    }

    def run(command: str) -> str:
        typed = command.replace(".venv/bin/hark", f"{sys.executable} -m hark")
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", typed],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, f"{command}\n{done.stderr}"
        return done.stdout.strip()

    def may(half: str, what: str) -> str:
        return run(f"kubectl auth can-i {what} --as={ACCOUNT}{half}")

    commands = _commands()
    assert len(commands) >= 8
    for command in commands:
        assert run(command), f"{command} did nothing"
    assert may("listener", "list externalsecrets.kubernetes-client.io") == "yes"
    assert may("listener", "list secrets") == "no"
    assert may("listener", "create leases.coordination.k8s.io -n hark-system") == "yes"
    assert may("reconciler", "patch secrets") == "yes"
    assert may("reconciler", "create leases.coordination.k8s.io -n hark-system") == "yes"
