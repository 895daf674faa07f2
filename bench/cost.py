"""`python -m bench.cost --objects N ...`: what so many ExternalSecrets cost, from counts alone.

A thin front of `hark cost` (hark.cost), whose counts bench.money holds to what the double counted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hark.commands import main as hark


def main(arguments: Sequence[str]) -> int:
    """Compare for 10,000 ExternalSecrets, or for what the arguments name; the exit code."""
    return hark(["cost", *(arguments or ("--objects", "10000"))], {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
