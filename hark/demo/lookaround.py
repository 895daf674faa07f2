"""What one can do in a demo that was kept: commands to copy."""

import shlex
import sys

from hark.demo.screen import Screen
from hark.demo.stage import HALVES, SYSTEM, TENANT, Stage
from testbed.moto import REGION


def show(stage: Stage, screen: Screen) -> None:
    """Print how to look around."""
    kubectl = (
        f"{shlex.quote(stage.kubectl)} --kubeconfig {shlex.quote(str(stage.guest.kubeconfig))}"
    )
    python = shlex.quote(sys.executable)
    screen.say("")
    screen.say("All goes on running until Ctrl-C. The ledger, the Secret, the rights:")
    screen.show(f"{kubectl} -n {TENANT} get externalsecret db -o yaml")
    screen.show(f"{kubectl} -n {TENANT} describe secret db")
    screen.show(f"{kubectl} auth can-i --list --as system:serviceaccount:{SYSTEM}:hark-listener")
    screen.say("Change the secret and announce it, in a folder where `python -m hark` works:")
    screen.show(f"{python} -m hark.demo.change {stage.cloud.url}")
    screen.say("Does the queue reach the listener? Look for test.heard in its log, below:")
    keys = f"AWS_REGION={REGION} AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any"
    screen.show(f"{keys} {python} -m hark test-event --queue {stage.queue_url}")
    screen.say("Have all versions compared now:")
    kubeconfig = f"KUBECONFIG={shlex.quote(str(stage.guest.kubeconfig))}"
    screen.show(f"{kubeconfig} {python} -m hark sweep --now -n {SYSTEM} --wait 1m")
    screen.say("Metrics and logs of both halves:")
    for half in HALVES:
        process = stage.processes[half][-1]
        screen.show(f"curl http://127.0.0.1:{process.port()}/metrics")
        screen.show(f"tail -f {process.log}")
    screen.say(f"AWS is at {stage.cloud.url}; any credentials will do.")
