"""docs/metrics.md tells every metric as it is: its tables are compared with the code, by row."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from listener.metrics import ListenerMetrics
from reconciler import synccalls
from reconciler.metrics import ReconcilerMetrics

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
UNITS = ("_total", "_seconds")
# Gauges that count things or tell a state have no unit.
UNITLESS = {
    "hark_listener_source_up",
    "hark_listener_messages_held",
    "hark_listener_vault_paths",
    "hark_listener_vault_leader",
    "hark_listener_vault_event_sockets",
    "hark_reconciler_queue_length",
    "hark_reconciler_suspended",
}


def _shown(name: str, kind: str, labels: tuple[str, ...], meaning: str) -> str:
    return f"| `{name}` | {kind} | {', '.join(labels)} | {meaning} |"


def _row(metric: MetricWrapperBase) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return _shown(name, family.type, tuple(metric._labelnames), family.documentation)


def _rows_of(record: object) -> list[str]:
    found = vars(record).values()
    return [_row(metric) for metric in found if isinstance(metric, MetricWrapperBase)]


def _of_kes() -> list[str]:
    counters, gauges = synccalls.COUNTERS.items(), synccalls.GAUGES.items()
    return [
        *(_shown(name, "counter", synccalls.COUNTER_LABELS, text) for name, text in counters),
        *(_shown(name, "gauge", synccalls.GAUGE_LABELS, text) for name, text in gauges),
    ]


def _expected() -> list[str]:
    listener = _rows_of(ListenerMetrics(CollectorRegistry()))
    reconciler = _rows_of(ReconcilerMetrics(CollectorRegistry()))
    return [*_of_kes(), *listener, *reconciler]


def test_the_page_holds_every_metric_of_the_code_and_no_other() -> None:
    rows = re.findall(r"^\| `.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == _expected()


def test_harks_own_names_tell_their_half_and_their_unit() -> None:
    names = [row.split("`")[1] for row in _expected() if "`hark_" in row]
    assert names
    assert [
        name for name in names if not name.startswith(("hark_listener_", "hark_reconciler_"))
    ] == []
    assert {name for name in names if not name.endswith(UNITS)} == UNITLESS
