"""What stands between the reconciler and the API server during `hark diff`."""

import pytest

from externalsecret.errors import GiveUp
from externalsecret.kubeapi import GROUP_PATH, MERGE_PATCH
from fakes.kubeapi import FakeKubeApi
from hark.diff.dryrun import DryRunApi

NEW = {"data": {"password": "bmV3"}}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("team", "shop"), ("secrets", "shop"), ("team", "status"), ("events", "events")],
)
def test_a_write_is_told_of_the_secret_that_it_is_for_whatever_its_name(
    namespace: str, name: str
) -> None:
    fake = FakeKubeApi()
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    fake.seed(path, {"metadata": {"namespace": namespace, "name": name}, "data": {}})
    api = DryRunApi(fake)
    api.request("PATCH", path, body=NEW, content_type=MERGE_PATCH)
    assert api.writes((namespace, name)).added == {"password"}
    assert [request.query.get("dryRun") for request in fake.made("PATCH")] == ["All"]


def test_a_new_secret_is_told_by_the_name_in_its_body() -> None:
    api = DryRunApi(FakeKubeApi())
    body = {"metadata": {"name": "shop"}, **NEW}
    api.request("POST", "/api/v1/namespaces/secrets/secrets", body=body)
    assert api.writes(("secrets", "shop")).is_made


def test_a_status_is_not_written() -> None:
    fake = FakeKubeApi()
    path = f"{GROUP_PATH}/namespaces/status/externalsecrets/status"
    fake.seed(path, {"metadata": {"namespace": "status", "name": "status"}})
    DryRunApi(fake).request("PATCH", f"{path}/status", body={"status": {"status": "SUCCESS"}})
    assert fake.made("PATCH") == []


def test_a_write_that_nobody_knows_is_refused() -> None:
    with pytest.raises(GiveUp, match="Please report"):
        DryRunApi(FakeKubeApi()).request("PATCH", "/api/v1/namespaces/team", body={})
