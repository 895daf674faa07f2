"""The story of the demo, in the order of its acts.

Each act shows what came of it, and raises Unexpected where that is not as told.
"""

import time

from hark.demo import acts, reckoning
from hark.demo.screen import Screen
from hark.demo.stage import Stage


def play(stage: Stage, screen: Screen) -> None:
    """Play it on a stage that is up; Unexpected, or what a part raises."""
    acts.show_the_parts(stage, screen)

    screen.step(1, "The infrastructure: CloudFormation deploys a queue, its rules, and a secret")
    acts.deploy(stage, screen)

    screen.step(2, "A manifest of kubernetes-external-secrets becomes a Secret")
    began = time.monotonic()
    acts.start_both_halves(stage, screen)
    acts.apply_the_manifest(stage, screen)

    screen.step(3, "The secret changes, and the change is announced")
    acts.change_the_secret(stage, screen)

    screen.step(4, "The reconciler is killed (SIGKILL), the secret changes, the reconciler starts")
    reads = acts.kill_the_reconciler(stage, screen)
    acts.change_while_it_is_dead(stage, screen)
    acts.start_the_reconciler_again(stage, screen)

    screen.step(5, "The account")
    reckoning.settle(stage, screen, reads, time.monotonic() - began)
    screen.done()
