"""`hark demo`: the product on this machine, told as a story whose every outcome is checked.

Fed by the command line; feeds the screen and an exit code. Guarantees: whatever it started is
stopped and whatever it made is removed, also after a failure or Ctrl-C; values are never shown. A
demo that is killed (SIGKILL) in a cluster of yours cannot tidy up there.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

_FAILED = 1
_INTERRUPTED = 130
_HERE = "127.0.0.1"
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def run(arguments: argparse.Namespace) -> int:
    """Play the story; 0 only if everything came as the story says.

    `arguments.keep` leaves all running until Ctrl-C, `arguments.cluster` is a kubeconfig or None.
    """
    try:
        from hark.demo.perform import perform  # noqa: PLC0415 - its parts are an extra
    except ModuleNotFoundError as missing:
        print(
            f"hark demo: {missing.name} is missing. Install Hark with its extra 'demo': "
            "pip install 'hark[demo]'.",
            file=sys.stderr,
        )
        return _FAILED
    _reach_this_machine_directly()
    for ending in _ENDINGS:
        signal.signal(ending, _interrupt_once)
    try:
        perform(Path(arguments.cluster) if arguments.cluster else None, keep=arguments.keep)
    except KeyboardInterrupt:
        print("hark demo: stopped before its end; what it started is gone.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, and never a local value
        return _explain(error)
    return 0


def _explain(error: Exception) -> int:
    from hark.demo.outcome import explain  # noqa: PLC0415 - as above

    print(f"hark demo: {explain(error)}", file=sys.stderr)
    return _FAILED


def _reach_this_machine_directly() -> None:
    """A company's web proxy does not know the servers that the demo starts here."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), _HERE)))


def _interrupt_once(_number: int, _frame: FrameType | None) -> None:
    """An impatient second Ctrl-C must not leave anything behind."""
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt
