"""docs/operations.md says of every Warning what to do, and of every alert what the code exports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from listener.metrics import ListenerMetrics
from reconciler import synccalls
from reconciler.metrics import ReconcilerMetrics
from testbed.helm import Helm

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "hark"
ALERTS = yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((CHART / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
OF_KUBERNETES = {"up"}
SELECTOR = re.compile(r"([a-z_]+(?:_[a-z]+)*)\{([^}]*)\}")
BY = re.compile(r"\b(?:by|without) ?\(([^)]*)\)")
WORD = re.compile(r"\b[a-z][a-z0-9_]*_[a-z0-9_]+\b")
OF_THE_LANGUAGE = {"histogram_quantile"}


def _reasons(page: str, column: int, kind: str = "") -> set[str]:
    rows = re.findall(r"^\| `.*\|$", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    wanted = [row[column] for row in cells if not kind or kind in row]
    return {name for cell in wanted for name in re.findall(r"`([A-Z][A-Za-z]+)`", cell)}


def _exported() -> dict[str, set[str]]:
    """The labels of every sample that the code exports, those of Prometheus' own apart."""
    registry = CollectorRegistry()
    records = (ListenerMetrics(registry), ReconcilerMetrics(registry))
    labels: dict[str, set[str]] = {
        name: set(synccalls.COUNTER_LABELS) for name in synccalls.COUNTERS
    }
    labels |= {name: set(synccalls.GAUGE_LABELS) for name in synccalls.GAUGES}
    for record in records:
        for metric in vars(record).values():
            if hasattr(metric, "_labelnames"):
                for family in metric.describe():
                    for ending in ("", "_total", "_bucket", "_sum", "_count"):
                        labels[family.name + ending] = {*metric._labelnames, "le"}
    return labels


def _queries() -> list[str]:
    told = [rule["expr"] for rule in ALERTS["rules"]]
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*told, *shown]


def test_every_warning_has_its_advice() -> None:
    warnings = _reasons("events.md", 0, "Warning")
    assert warnings
    assert _reasons("operations.md", 0) == warnings


@pytest.mark.parametrize("query", _queries())
def test_a_query_asks_for_what_the_code_exports(query: str) -> None:
    exported = _exported()
    labels = {name.strip() for by in BY.findall(query) for name in by.split(",")}
    named = set(WORD.findall(BY.sub("", query))) - OF_THE_LANGUAGE
    assert named
    assert named <= set(exported) | OF_KUBERNETES
    assert labels <= {label for name in named for label in exported[name]}
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize("rule", ALERTS["rules"], ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["for"]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"].endswith(".")
    page = ROOT / rule["annotations"]["runbook"].partition("#")[0]
    assert page.is_file()


def test_the_chart_makes_the_alerts_and_the_dashboard_where_asked() -> None:
    helm = Helm(CHART)
    try:
        values = {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
        made = [one for one in yaml.safe_load_all(helm.template("hark", "there", values)) if one]
        without = helm.template("hark", "there", {})
    finally:
        helm.close()
    by_kind = {one["kind"]: one for one in made if one["kind"] in {"PrometheusRule", "ConfigMap"}}
    [group] = by_kind["PrometheusRule"]["spec"]["groups"]
    assert group["rules"] == ALERTS["rules"]
    [text] = by_kind["ConfigMap"]["data"].values()
    assert json.loads(text) == DASHBOARD
    assert by_kind["ConfigMap"]["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "PrometheusRule" not in without
