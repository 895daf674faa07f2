"""`python -m bench [--quick]`: measure the product, print and store the figures, judge them.

Exit code 1 when a figure is beyond its goal, so that CI can hold the goals.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import (
    fanout,
    figures,
    floor,
    footprint,
    growth,
    money,
    roundtrip,
    scale,
    systems,
    trouble,
)
from bench.picture import draw
from bench.world import install_definition
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane

DEFINITIONS = """\
A real kube-apiserver and etcd (without fsync), both halves as processes under their
ServiceAccounts, an AWS double in a process of its own that counts; all on this machine, over
loopback.
round trip:   p50 of one status PATCH over a kept connection in the same run, halves idle.
receive to Secret: from the answer of the receive that carries the event to the arrival of the new
              Secret at an independent watch. One change at a time, each of another secret.
one backend read: p50 by the double's clock, from request to answer, latency included.
disturbed:    while a process that sleeps 1 ms at a time overslept by more than 10 ms, so the whole
              machine stood still. A p99 is of undisturbed changes, or, with more than 10 % of
              them, of all; a p50 is always of all.
value reads:  secret values that left the double, whatever call carried them.
writes:       all that the API server counted, of anybody; leases and the bench's tokens apart.
RSS:          resident memory of one half, the larger of after the first sync and after changes.
floor:        8 threads that write notes, Secrets and ledgers of equal size, encoded before, over
              kept connections, and do nothing else.
raw writes:   what the floor takes for the same writes in the same run: of a change the note, the
              Secret and the ledger; of a first sync the Secret and the ledger.
cold:         from the start of both processes to the last write of a status.
systems:      one ExternalSecret of a hundred keys, calls for values that reached the system; the
              goal is the least that its API allows. Of logins only Vault's count.
money:        calls that the double counted, less those that `hark cost` says of the same changes,
              sweep and time.
Goals are the most that a figure may be; figures without a goal are for orientation."""

SCENARIOS: dict[str, Callable[..., list[figures.Row]]] = {
    "roundtrip": roundtrip.measure,
    "footprint": footprint.measure,
    "fanout": fanout.measure,
    "floor": floor.measure,
    "systems": systems.measure,
    "money": money.measure,
    "trouble": trouble.measure,
    "scale": scale.measure,
    "growth": growth.measure,
}


def main() -> int:
    """Run what was asked for; the exit code."""
    arguments = _arguments()
    print(DEFINITIONS, "\n")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        print(f"This machine is not quiet (load {load:.1f}); a p99 will tell of that.\n")
    rows: list[figures.Row] = []
    broken: list[str] = []
    with _cluster(arguments.cluster) as cluster:
        install_definition(cluster)
        for name in arguments.only or SCENARIOS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                rows += SCENARIOS[name](cluster, quick=arguments.quick)
            except Exception:  # noqa: BLE001 - what the others measured shall not be lost
                traceback.print_exc()
                broken.append(name)
    print(figures.table(rows))
    stored = figures.store(rows, DEFINITIONS, quick=arguments.quick)
    stored.with_suffix(".svg").write_text(draw(rows), encoding="utf-8")
    print(f"\nstored in {stored}, and as a picture beside it (.svg)")
    if broken:
        print(f"not measured to the end, see above: {', '.join(broken)}")
    return 1 if broken or any(row.verdict == "BEYOND" for row in rows) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a fifth of everything")
    parser.add_argument(
        "--only", action="append", choices=SCENARIOS, help="this scenario; may be repeated"
    )
    parser.add_argument(
        "--cluster",
        type=Path,
        metavar="KUBECONFIG",
        help="a `python -m testbed.controlplane` that nobody else uses, instead of an own one",
    )
    return parser.parse_args()


@contextmanager
def _cluster(kubeconfig: Path | None) -> Iterator[Cluster]:
    if kubeconfig is None:
        with ControlPlane() as plane:
            yield plane
        return
    with tempfile.TemporaryDirectory(prefix="hark-bench-") as folder:
        yield Cluster(kubeconfig, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
