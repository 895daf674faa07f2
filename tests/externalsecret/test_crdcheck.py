from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from externalsecret import definitions
from externalsecret.crdcheck import check_ledger_schema, note_came_back
from externalsecret.errors import GiveUp, Retry
from externalsecret.kubeapi import ApiRefusal, ApiRetry, connect
from fakes.kubeapi import FakeKubeApi
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane

KES_CRD = Path(__file__).parent / "kes-8.5.5-crd.yaml"
SCHEMA_PATH = "/openapi/v3/apis/kubernetes-client.io/v1"
MEND = "hark crd | kubectl apply --server-side --force-conflicts -f -"
KIND = {"group": "kubernetes-client.io", "version": "v1", "kind": "ExternalSecret"}


def _publishing(crd: str) -> FakeKubeApi:
    """An API server that publishes a CRD's schema."""
    schema = yaml.safe_load(crd)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return _serving({**schema, "x-kubernetes-group-version-kind": [KIND]})


def _serving(schema: dict[str, Any]) -> FakeKubeApi:
    others = {"io.k8s.meta.Status": {}, "io.kubernetes-client.v1.ExternalSecret": schema}
    api = FakeKubeApi()
    api.answer("GET", SCHEMA_PATH, {"components": {"schemas": others}})
    return api


def test_our_definition_passes() -> None:
    check_ledger_schema(_publishing(definitions.crd()))


def test_the_definition_of_kes_is_refused_with_the_command_that_mends_it() -> None:
    with pytest.raises(GiveUp, match="keep its notes") as refusal:
        check_ledger_schema(_publishing(KES_CRD.read_text()))
    assert refusal.value.reason == "CrdOutdated"
    assert MEND in refusal.value.message


@pytest.mark.parametrize("leaf", ["heard", "synced"])
def test_a_definition_that_lacks_one_leaf_is_refused(leaf: str) -> None:
    crd = yaml.safe_load(definitions.crd())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    entry = schema["properties"]["status"]["properties"]["keys"]["additionalProperties"]
    del entry["properties"][leaf]
    with pytest.raises(GiveUp, match=rf"status\.keys\.\*\.{leaf}"):
        check_ledger_schema(_publishing(yaml.safe_dump(crd)))


def test_a_definition_that_keeps_whatever_is_written_passes() -> None:
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    check_ledger_schema(
        _serving({"properties": {"status": status}, "x-kubernetes-group-version-kind": [KIND]})
    )


def test_a_missing_definition_is_waited_for() -> None:
    with pytest.raises(Retry, match="does not know ExternalSecrets") as waiting:
        check_ledger_schema(FakeKubeApi())
    assert waiting.value.reason == "CrdMissing"
    assert MEND in waiting.value.message


def test_a_group_without_our_kind_is_a_missing_definition() -> None:
    api = FakeKubeApi()
    api.answer("GET", SCHEMA_PATH, {"components": {"schemas": {}}})
    with pytest.raises(Retry) as waiting:
        check_ledger_schema(api)
    assert waiting.value.reason == "CrdMissing"


def test_other_failures_pass_through() -> None:
    api = FakeKubeApi()
    api.fail_next(ApiRefusal("no", HTTPStatus.FORBIDDEN))
    with pytest.raises(ApiRefusal):
        check_ledger_schema(api)
    api.fail_next(ApiRetry("away", 0))
    with pytest.raises(ApiRetry):
        check_ledger_schema(api)


def test_a_note_in_the_reply_has_come_back() -> None:
    reply = {"status": {"uid": "of-another", "keys": {"k": {"heard": {"id": "e-2"}}}}}
    assert note_came_back(reply, "k", "e-2")


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"status": None},
        {"status": {"status": "SUCCESS"}},
        {"status": {"keys": {"other": {"heard": {"id": "e-2"}}}}},
        {"status": {"keys": {"k": {"heard": {"id": "e-1"}}}}},
        {"status": {"keys": {"k": {}}}},
    ],
)
def test_a_reply_without_the_note_says_that_it_was_dropped(reply: dict[str, Any]) -> None:
    assert not note_came_back(reply, "k", "e-2")


def test_a_real_api_server_with_our_definition_passes_even_for_a_stranger(
    served_cluster: Cluster, namespace: str
) -> None:
    kubeconfig = served_cluster.service_account_kubeconfig(namespace, "nobody")
    check_ledger_schema(connect(str(kubeconfig)))


def test_a_real_api_server_tells_missing_from_outdated_from_mended(
    control_plane: ControlPlane, install_crd: Callable[[Cluster, str, str], None]
) -> None:
    api = connect(str(control_plane.admin_kubeconfig))
    with pytest.raises(Retry) as waiting:
        check_ledger_schema(api)
    assert waiting.value.reason == "CrdMissing"
    install_crd(control_plane, KES_CRD.read_text(), "lastSync")
    with pytest.raises(GiveUp) as refusal:
        check_ledger_schema(api)
    assert refusal.value.reason == "CrdOutdated"
    install_crd(control_plane, definitions.crd(), "fingerprint")
    check_ledger_schema(api)
