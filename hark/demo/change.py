"""`python -m hark.demo.change URL`: change the demo's secret and announce it.

For whoever looks around in a demo that was kept; URL is that of its moto server.
"""

import sys

from hark.demo.cloud import SECRET, Cloud
from testbed.moto import Moto

_USAGE = 2


def _main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m hark.demo.change URL-OF-THE-DEMO'S-MOTO-SERVER", file=sys.stderr)
        return _USAGE
    cloud = Cloud(Moto(arguments[0]))
    version = cloud.change()
    cloud.announce(version)
    print(f"{SECRET} has the new version {version}, and it is announced.")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
