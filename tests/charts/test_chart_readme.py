"""The chart's README: its table of values, and the program that `helm test` runs."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from testbed.chartvalues import CHART, table, written
from testbed.helm import Helm
from testbed.processgroup import free_port


def test_the_table_is_that_of_the_values() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert readme == written(readme), "python -m testbed.chartvalues writes it anew"


def test_every_value_is_explained() -> None:
    rows = {row.split("`")[1] for row in table().splitlines() if row.startswith("| `")}
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

    def unexplained(at: str, value: Any) -> list[str]:
        if at in rows:
            return []
        if not isinstance(value, dict) or not value:
            return [at]
        return [one for name, below in value.items() for one in unexplained(f"{at}.{name}", below)]

    assert [one for name, value in values.items() for one in unexplained(name, value)] == []


@pytest.fixture(scope="module")
def pods() -> list[dict[str, Any]]:
    helm = Helm(CHART)
    try:
        made = yaml.safe_load_all(helm.template("hark", "hark-system", {}))
        return [one for one in made if one and one["kind"] == "Pod"]
    finally:
        helm.close()


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers 200 to everybody."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def ready() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/readyz"
    server.shutdown()
    server.server_close()


def test_helm_test_asks_each_half_whether_it_is_ready(pods: list[dict[str, Any]]) -> None:
    asked = {pod["metadata"]["name"]: pod["spec"]["containers"][0]["args"][1] for pod in pods}
    assert asked == {
        f"hark-{half}-test": f"http://hark-{half}-metrics:3001/readyz"
        for half in ("listener", "reconciler")
    }
    for pod in pods:
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        [container] = pod["spec"]["containers"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_its_program_ends_well_where_a_half_is_ready_and_badly_where_none_is(
    pods: list[dict[str, Any]], ready: str
) -> None:
    program = pods[0]["spec"]["containers"][0]["args"][0]

    def run(text: str, url: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", text, url]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert run(program, ready).returncode == 0
    hasty = program.replace("range(60)", "range(1)")
    assert hasty != program
    done = run(hasty, f"http://127.0.0.1:{free_port()}/readyz")
    assert done.returncode == 1
    assert "not ready" in done.stderr
