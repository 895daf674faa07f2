"""How the halves start, what their probes say, and how they end."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from externalsecret import definitions
from testbed.actions import hold_until, withhold
from testbed.cluster import ApiError, Cluster
from testbed.controlplane import ControlPlane
from testbed.installation import Half, HarkProcess, Installation, grant
from testbed.request import aws
from worlds.spine import await_until, unique
from worlds.whole import VALUE_CALLS, Whole

KES_CRD = Path(__file__).resolve().parents[1] / "externalsecret" / "kes-8.5.5-crd.yaml"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/externalsecrets.kubernetes-client.io"
SCHEMA = "/openapi/v3/apis/kubernetes-client.io/v1"
HALVES: tuple[Half, Half] = ("listener", "reconciler")
MENDING = "hark crd | kubectl apply --server-side"

InstallCrd = Callable[[Cluster, str, str], None]


def test_a_half_starts_only_under_a_definition_that_keeps_the_ledger(
    control_plane: ControlPlane, install_crd: InstallCrd
) -> None:
    for half in HALVES:
        grant(control_plane, half, definitions.rights(half), "default")
    environment = {"AWS_REGION": "eu-central-1", "HARK_SQS_QUEUE_URLS": ""}
    with Installation(control_plane, "default", environment) as installation:
        install_crd(control_plane, KES_CRD.read_text(), "lastSync")
        for half in HALVES:
            refused = installation.start(half)
            assert refused.wait(60) != 0
            assert MENDING in refused.text()

        control_plane.request("DELETE", CRD)
        await_until(lambda: _is_published(control_plane), lambda is_there: not is_there, "it went")
        waiting = [installation.start(half) for half in HALVES]
        for process in waiting:
            # Just after a definition went, the API server's first answers may be no JSON.
            await_until(process.text, lambda text: MENDING in text, "the half says what to do")
            assert process.get("/healthz")[0] == 200
            assert process.get("/readyz")[0] == 503

        install_crd(control_plane, definitions.crd(), "fingerprint")
        for process in waiting:
            process.await_ready()
            assert process.terminate() == 0


def _is_published(cluster: Cluster) -> bool:
    try:
        return "ExternalSecret" in str(cluster.request("GET", SCHEMA))
    except ApiError as error:
        if error.code == 404:
            return False
        raise


def test_probes_and_metrics_answer_and_sigterm_ends_both_halves(whole: Whole) -> None:
    name = unique("stopped")
    whole.create(name, "value")
    reconciler, listener = whole.reconciler(), whole.listener()
    whole.apply(name, {"roleArn": whole.role, "data": [{"key": name, "name": "entry"}]})
    whole.await_synced(name)
    for process in (reconciler, listener):
        assert process.get("/healthz")[0] == 200
        assert process.get("/readyz")[0] == 200
        assert "process_resident_memory_bytes" in process.get("/metrics")[1]
        assert process.get("/nowhere")[0] == 404

    _end_while_a_read_is_under_way(whole, reconciler, name)
    # The next one takes over at once: the lease was given back.
    whole.reconciler()
    whole.await_data(name, entry=b"second")
    # This poll never ends; the one before it does when a message comes.
    polling = whole.wire.when(aws("ReceiveMessage"), withhold, times=None)
    whole.change_and_announce(name, "third")
    polling.wait()
    assert listener.terminate() == 0


def _end_while_a_read_is_under_way(whole: Whole, reconciler: HarkProcess, name: str) -> None:
    released = threading.Event()
    rule = whole.wire.when(
        lambda request: request.aws_operation in VALUE_CALLS, hold_until(released), times=None
    )
    whole.change_and_announce(name, "second")
    rule.wait()
    try:
        assert reconciler.terminate() == 0
    finally:
        rule.retire()
        released.set()


def test_a_queue_that_is_missing_stops_nothing_and_is_heard_once_it_is_there(
    whole: Whole,
) -> None:
    queue = unique("late")
    url = f"{whole.queue.rpartition('/')[0]}/{queue}"
    listener = whole.listener(environment={"HARK_SQS_QUEUE_URLS": url})

    failures = "hark_listener_source_failures_total"
    await_until(lambda: listener.metric(failures), lambda count: count > 1, "it was tried again")
    assert listener.get("/readyz")[0] == 200
    assert listener.get("/healthz")[0] == 200
    assert "source.failed" in listener.text()

    whole.aws("sqs").create_queue(QueueName=queue)
    whole.aws("sqs").send_message(QueueUrl=url, MessageBody="no envelope")
    malformed = "hark_listener_messages_malformed_total"
    await_until(lambda: listener.metric(malformed), lambda count: count > 0, "it is heard")


@pytest.mark.parametrize("half", HALVES)
def test_a_setting_that_makes_no_sense_is_refused_in_a_sentence(world: Whole, half: Half) -> None:
    refused = world.installation.start(half, environment={"HARK_SWEEP_INTERVAL": "soon"})

    assert refused.wait(60) != 0
    assert "HARK_SWEEP_INTERVAL" in refused.text()
    assert "Traceback" not in refused.text()
