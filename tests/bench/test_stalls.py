"""The bench tells a halt of the machine from a slow product."""

import os
import signal
import time

from bench.stalls import OVERSLEPT, Stalls


def test_a_halt_of_the_machine_is_noticed() -> None:
    with Stalls() as stalls:
        began = time.monotonic()
        deadline = began + 20
        while not stalls.touched(began, time.monotonic()):
            assert time.monotonic() < deadline
            os.kill(stalls.pid, signal.SIGSTOP)
            time.sleep(5 * OVERSLEPT)
            os.kill(stalls.pid, signal.SIGCONT)
            time.sleep(OVERSLEPT)


def test_nothing_is_told_of_a_time_that_was_not_watched() -> None:
    with Stalls() as stalls:
        assert not stalls.touched(0.0, 1.0)
