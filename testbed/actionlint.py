"""The linter of GitHub workflows; `python -m testbed.actionlint` provides it and prints where it
is.

Built from its published Go module on first use (seconds, once per machine). It asks nothing of the
network.
"""

from __future__ import annotations

import sys
from pathlib import Path

from testbed import cache, gobuild

_MODULE = Path(__file__).parent / "goactionlint"


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return the program, built on first use; raises CannotProvideError."""
    return gobuild.provide_go_program("actionlint", _MODULE, progress)


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take long."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "actionlint is not on this machine yet. Run `make tools`, or "
            "`python -m testbed.actionlint`, once, and then try again."
        )

    return provide(refuse)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
