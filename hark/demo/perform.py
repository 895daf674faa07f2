"""One performance: stage, story, and perhaps a look around. Run by hark.demo."""

import signal
from pathlib import Path

from hark.demo import lookaround, story
from hark.demo.screen import Screen
from hark.demo.stage import Stage


def perform(kubeconfig: Path | None, *, keep: bool) -> None:
    """Play the story once; raises what stopped it, when all is removed."""
    screen = Screen()
    stage = Stage(screen, kubeconfig)
    screen.step(0, "The parts: a Kubernetes API server, AWS by moto, two identities")
    with stage:
        try:
            story.play(stage, screen)
            if keep:
                lookaround.show(stage, screen)
                _await_the_end()
        finally:
            # What follows takes everything away, and must not be cut short.
            for ending in (signal.SIGINT, signal.SIGTERM):
                signal.signal(ending, signal.SIG_IGN)


def _await_the_end() -> None:
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return
