"""The sync calls of kubernetes-external-secrets: its four metrics, as its dashboards know them.

Fed by the reconcile story when a pass has ended and by the composition with who is served; feeds
/metrics with text of its own: the client library would rename the counters (`_total`) and sort the
labels.

A sync call is one pass over an ExternalSecret that came to an outcome which its status tells: the
Secret holds what it should (`success`, 1) or something is wrong that somebody has to mend (`error`,
-1). It is counted after the status is written, or found to say so already. A pass that is dropped
because the object changed meanwhile, and a passing failure that is not shown yet, are none.

Guarantees: thread-safe; the series of an object go when it is served no more, be it deleted or
handed to another controller, and with the lead.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from externalsecret.reflect import Key
from externalsecret.resource import ExternalSecret

COUNTERS = {
    "kubernetes_external_secrets_sync_calls_count": "Passes over an ExternalSecret that came to an "
    "outcome, by outcome.",
    "sync_calls": "The same, under the name that kubernetes-external-secrets deprecated.",
}
GAUGES = {
    "kubernetes_external_secrets_last_sync_call_state": "1 if the last pass over an "
    "ExternalSecret found or made its Secret as it should be, -1 if not.",
    "last_state": "The same, under the name that kubernetes-external-secrets deprecated.",
}
COUNTER_LABELS = ("name", "namespace", "backend", "status")
GAUGE_LABELS = COUNTER_LABELS[:3]

_SUCCESS, _ERROR = "success", "error"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class _Calls:
    """Those of one object."""

    backend: str
    counts: Counter[str] = field(default_factory=Counter)
    last: str = _SUCCESS


class SyncCalls:
    """How often the objects were synced, and how that ended last."""

    def __init__(self, served: Callable[[], Collection[Key]] = tuple) -> None:
        """`served` tells the objects that this replica answers for; only theirs are shown."""
        self.served = served
        self._lock = threading.Lock()
        self._calls: dict[Key, _Calls] = {}

    def count(self, es: ExternalSecret, *, is_success: bool) -> None:
        """A pass over this object has ended."""
        backend = str(es.spec.get("backendType") or "")
        outcome = _SUCCESS if is_success else _ERROR
        with self._lock:
            calls = self._calls.get(es.key)
            if calls is None or calls.backend != backend:
                calls = self._calls[es.key] = _Calls(backend)
            calls.counts[outcome] += 1
            calls.last = outcome

    def exposition(self) -> str:
        """Their lines for Prometheus. Forgets the objects that are served no more."""
        served = set(self.served())
        with self._lock:
            for key in self._calls.keys() - served:
                del self._calls[key]
            counts = [(_labels(key, one), dict(one.counts)) for key, one in self._calls.items()]
            states = [(_labels(key, one), one.last) for key, one in self._calls.items()]
        counters = {
            f'{labels},status="{outcome}"': count
            for labels, found in counts
            for outcome, count in found.items()
        }
        gauges = {labels: 1 if last == _SUCCESS else -1 for labels, last in states}
        lines = [*_families(COUNTERS, "counter", counters), *_families(GAUGES, "gauge", gauges)]
        return "".join(f"{line}\n" for line in lines)


def _families(meanings: Mapping[str, str], kind: str, samples: Mapping[str, int]) -> Iterator[str]:
    for name, meaning in meanings.items():
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} {kind}"
        for labels, value in samples.items():
            yield f"{name}{{{labels}}} {value}"


def _labels(key: Key, calls: _Calls) -> str:
    namespace, name = key
    values = (name, namespace, calls.backend)
    return ",".join(
        f'{label}="{value.translate(_ESCAPES)}"'
        for label, value in zip(GAUGE_LABELS, values, strict=True)
    )
