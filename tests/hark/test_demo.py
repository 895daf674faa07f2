import base64
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import yaml

from externalsecret.errors import GiveUp
from hark.demo import account, reckoning, story
from hark.demo.cloud import CANARY, SECRET, Cloud
from hark.demo.outcome import Refused, Unexpected, await_until, explain
from hark.demo.screen import Screen
from hark.demo.stage import Stage
from testbed.actions import answer
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.moto import Moto
from testbed.request import aws

ROOT = Path(__file__).parents[2]
RBAC = "/apis/rbac.authorization.k8s.io/v1"
COLLECTIONS = (
    "/api/v1/namespaces",
    f"{RBAC}/clusterroles",
    f"{RBAC}/clusterrolebindings",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
)
STEPS = [f"{number}. " for number in range(6)]

# The demo takes about 15 s; a machine that runs other tests beside it may take much longer.
pytestmark = pytest.mark.timeout(400)


class Room:
    """A folder for all that a demo keeps on disk, so that one sees what it leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environ = {
            **os.environ,
            "TMPDIR": str(folder),
            # What the user has configured for other work must not matter.
            "KUBECONFIG": "/nowhere/at-all",
            "AWS_PROFILE": "nobody",
        }

    def start(self, *options: str, **environ: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "hark", "demo", *options],
            cwd=ROOT,
            env=self._environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, *options: str, **environ: str) -> tuple[int, str]:
        """Exit code and all that was printed."""
        with self.start(*options, **environ) as demo:
            output, _ = demo.communicate(timeout=300)
            return demo.returncode, output

    def await_empty(self) -> None:
        """Wait until nothing is left; the watchdogs of what was started end a moment later."""
        await_until(
            lambda: [*self.folder.iterdir(), *self.inhabitants()],
            lambda left: not left,
            "The demo left something behind.",
        )

    def inhabitants(self) -> Iterator[psutil.Process]:
        """Processes that work in the folder."""
        for process in psutil.process_iter():
            try:
                place = process.cwd()
            except psutil.Error:
                continue
            if place.startswith(str(self.folder)):
                yield process


@pytest.fixture
def room() -> Iterator[Room]:
    # Not tmp_path: it is too long for the sockets that are made in it.
    folder = Path(tempfile.mkdtemp(prefix="room-"))
    yield Room(folder)
    shutil.rmtree(folder)


def read_until(stream: IO[str] | None, text: str) -> str:
    assert stream is not None
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"{text!r} was not printed:\n{seen}")


def shows_a_value(output: str) -> bool:
    # Base64 of a text that begins like this, whatever follows.
    encoded = base64.b64encode(CANARY[:6].encode()).decode()
    return CANARY in output or encoded in output


def names(cluster: Cluster) -> dict[str, set[str]]:
    return {
        path: {item["metadata"]["name"] for item in cluster.request("GET", path)["items"]}
        for path in COLLECTIONS
    }


def settled_names(cluster: Cluster) -> dict[str, set[str]]:
    """The same of a cluster that is up: its own namespaces come a moment later."""
    return await_until(
        lambda: names(cluster),
        lambda found: len(found[COLLECTIONS[0]]) >= 4,
        "The cluster has not made its own namespaces.",
    )


def a_common_kubeconfig(cluster: Cluster, folder: Path) -> Path:
    """As other tools write it: YAML, the certificate inside, more than one context."""
    config = json.loads(cluster.admin_kubeconfig.read_text())
    place = config["clusters"][0]["cluster"]
    authority = Path(place.pop("certificate-authority")).read_bytes()
    place["certificate-authority-data"] = base64.b64encode(authority).decode()
    config["clusters"].insert(0, {"name": "other", "cluster": {"server": "https://192.0.2.1"}})
    other = {"name": "other", "context": {"cluster": "other", "user": "testbed"}}
    config["contexts"].insert(0, other)
    path = folder / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_demo_tells_its_story_shows_no_value_and_can_be_looked_at_until_ctrl_c(
    room: Room,
) -> None:
    with room.start("--keep") as demo:
        output = read_until(demo.stdout, "any credentials will do")
        assert [step for step in STEPS if f" s] {step}" in output] == STEPS
        assert "3 versions, 3 value reads" in output
        assert "Everything came as told." in output
        assert not shows_a_value(output)
        lines = [line.strip() for line in output.splitlines()]
        change = next(line for line in lines if "hark.demo.change" in line)
        show = next(line for line in lines if line.endswith("get externalsecret db -o yaml"))
        metrics = [line.split()[1] for line in lines if line.startswith("curl ")]
        asked = [
            line for line in lines if " -m hark test-event " in line or " -m hark sweep" in line
        ]
        log = Path(next(line.split()[-1] for line in lines if "/listener-" in line))

        told = subprocess.run(
            shlex.split(change), cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        version = told.split("version ")[1].split(",")[0]
        await_until(
            lambda: _ledgers_version(show),
            lambda synced: synced == version,
            "The change that the user made does not arrive.",
        )
        assert [_typed(line) for line in asked] == [0, 0]
        await_until(
            lambda: "test.heard" in log.read_text(encoding="utf-8"),
            bool,
            "The test message does not arrive.",
        )
        assert len(metrics) == 2
        for url in metrics:
            with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - it is http
                assert b"hark_" in reply.read()
        values = _values(Cloud(Moto(change.split()[-1])))

        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=200)
        assert demo.returncode == 0, rest
    assert len(values) == 2
    assert [value for value in values if value in output + rest + told] == []
    room.await_empty()


def _typed(line: str) -> int:
    """The exit code of a command that begins with variables."""
    return subprocess.run(["/usr/bin/env", *shlex.split(line)], cwd=ROOT, check=False).returncode


def _ledgers_version(show: str) -> str:
    shown = subprocess.run(shlex.split(show), capture_output=True, text=True, check=True).stdout
    [leaves] = yaml.safe_load(shown)["status"]["keys"].values()
    synced: str = leaves["synced"]["version"]
    return synced


def _values(cloud: Cloud) -> list[str]:
    read: Mapping[str, Any] = cloud.client("secretsmanager").get_secret_value(SecretId=SECRET)
    return list(json.loads(read["SecretString"]).values())


def test_ctrl_c_in_the_middle_removes_everything(room: Room) -> None:
    with room.start() as demo:
        read_until(demo.stdout, "1. The infrastructure")
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=200)
        assert demo.returncode == 130
    assert "stopped before its end" in rest
    room.await_empty()


def test_a_cluster_of_yours_is_left_as_it_was_and_no_read_escapes_the_account(
    room: Room, control_plane: ControlPlane
) -> None:
    before = settled_names(control_plane)
    kubeconfig = a_common_kubeconfig(control_plane, room.folder)
    code, output = room.play("--cluster", str(kubeconfig))
    assert code == 0, output
    assert "What the demo made in the cluster was removed." in output
    assert not shows_a_value(output)
    assert names(control_plane) == before
    kubeconfig.unlink()
    room.await_empty()
    # Here because a second cluster would take as long as all of this.
    _a_value_that_is_read_twice_is_not_as_told(control_plane)


def _a_value_that_is_read_twice_is_not_as_told(control_plane: ControlPlane) -> None:
    screen = Screen()
    with Stage(screen, control_plane.admin_kubeconfig) as stage:
        once_more = stage.wires["reconciler"].when(aws("GetSecretValue"), answer(500, b"{}"))
        with pytest.raises(Unexpected, match="on the wire there were 4"):
            story.play(stage, screen)
        assert len(once_more.met) == 1


def test_a_cluster_that_has_the_definition_is_refused(room: Room, served_cluster: Cluster) -> None:
    code, output = room.play("--cluster", str(served_cluster.admin_kubeconfig))
    assert code == 1
    assert "has the definition externalsecrets.kubernetes-client.io" in output
    assert "leave out --cluster" in output
    room.await_empty()


def test_what_somebody_else_made_is_neither_used_nor_deleted(
    room: Room, control_plane: ControlPlane
) -> None:
    before = settled_names(control_plane)
    with Stage(Screen(), control_plane.admin_kubeconfig) as stage:
        stage.install_rights()
        stage.install_definition()
        theirs = {
            "apiVersion": "kubernetes-client.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": "theirs"},
            "spec": {"backendType": "secretsManager", "data": []},
        }
        path = "/apis/kubernetes-client.io/v1/namespaces/default/externalsecrets"
        control_plane.request("POST", path, theirs)
    definitions = before[COLLECTIONS[-1]] | {"externalsecrets.kubernetes-client.io"}
    # The definition serves somebody else now, so it stays.
    assert names(control_plane) == {**before, COLLECTIONS[-1]: definitions}
    assert control_plane.request("GET", f"{path}/theirs")

    control_plane.request("DELETE", f"{path}/theirs")
    control_plane.request("DELETE", f"{COLLECTIONS[-1]}/externalsecrets.kubernetes-client.io")
    role = {"metadata": {"name": "hark-reconciler"}, "rules": []}
    control_plane.request("POST", f"{RBAC}/clusterroles", role)
    before = await_until(
        lambda: names(control_plane),
        lambda found: not found[COLLECTIONS[-1]],
        "The definition does not go.",
    )
    code, output = room.play("--cluster", str(control_plane.admin_kubeconfig))
    assert code == 1
    assert "clusterroles/hark-reconciler exists already" in output
    assert names(control_plane) == before
    room.await_empty()


@pytest.mark.parametrize(
    "environ",
    [{"KUBEBUILDER_ASSETS": "/nowhere/at-all"}, {"XDG_CACHE_HOME": "/proc/nowhere"}],
)
def test_a_part_that_cannot_be_had_is_named(room: Room, environ: Mapping[str, str]) -> None:
    code, output = room.play(**environ)
    assert code == 1
    assert next(iter(environ)) in output
    assert "Traceback" not in output


@pytest.mark.parametrize("kubeconfig", ["/nowhere/at-all", os.devnull])
def test_a_kubeconfig_of_no_use_is_refused(room: Room, kubeconfig: str) -> None:
    code, output = room.play("--cluster", kubeconfig)
    assert code == 1
    assert f"kubeconfig {kubeconfig}" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "reads",
    [
        account.Reads(told=(2, 2), on_the_wire=4, versions=3),
        account.Reads(told=(2, 1), on_the_wire=4, versions=3),
        account.Reads(told=(1, 1), on_the_wire=3, versions=3),
        account.Reads(told=(1, 1), on_the_wire=2, versions=3),
    ],
)
def test_counts_that_do_not_agree_are_not_as_told(reads: account.Reads) -> None:
    with pytest.raises(Unexpected, match="3 versions should have cost 3 value reads"):
        account.check(reads)


def test_one_read_for_each_version_is_as_told() -> None:
    account.check(account.Reads(told=(2, 1), on_the_wire=3, versions=3))


def test_polling_is_counted_from_its_first_read_on() -> None:
    assert [account.polls(seconds) for seconds in (0, 9.9, 10, 25)] == [1, 1, 2, 3]


def test_the_account_sets_a_month_of_hark_beside_a_month_of_polling() -> None:
    reads = account.Reads(told=(2, 1), on_the_wire=3, versions=3)
    rows = account.table(reads, account.Calls(queue=6, looks=1), 25.0, account.Prices())
    assert [row[1:] for row in rows] == [
        ("in these 25 s", "in a month", "dollars a month"),
        ("3", "30", "0.0002"),
        ("1", "120", "0.0006"),
        ("6", "129,600", "0.0518"),
        ("3", "259,200", "1.2960"),
    ]
    assert "$6,480 a month" in account.scale(account.Prices())


def test_a_value_is_found_in_every_form_that_it_may_take() -> None:
    forms = list(reckoning.forms({"password": "canary-1"}))
    assert forms == ["canary-1", base64.b64encode(b"canary-1").decode()]


def test_an_error_of_ours_is_told_and_a_fault_only_by_its_place() -> None:
    assert explain(Refused("Use another one.")) == "Use another one."
    assert explain(Unexpected("No rule.")) == "this did not go as told. No rule."
    assert "Denied." in explain(GiveUp("Denied.", reason="Denied"))
    with pytest.raises(ValueError, match="canary") as caught:
        raise ValueError("canary-1")
    assert "canary" not in explain(caught.value)
    assert "test_demo.py" in explain(caught.value)


def test_the_screen_is_100_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("word " * 100)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
