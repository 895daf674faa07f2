"""`hark` and `python -m hark`."""

import sys

from hark.commands import main as run_command


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_command())


if __name__ == "__main__":
    main()
