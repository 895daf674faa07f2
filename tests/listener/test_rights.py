"""Whether the listener may write notes at all."""

import pytest

from externalsecret.errors import HarkError
from externalsecret.kubeapi import ApiRetry
from fakes.kubeapi import FakeKubeApi
from listener.rights import may_note

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.mark.parametrize("allowed", [True, False])
def test_the_api_server_is_asked_for_the_right_to_patch_a_status(*, allowed: bool) -> None:
    api = FakeKubeApi()
    api.answer("POST", REVIEWS, {"status": {"allowed": allowed}})
    assert may_note(api, ()) is allowed
    (asked,) = api.made("POST")
    assert asked.body["spec"]["resourceAttributes"] == {
        "namespace": "",
        "verb": "patch",
        "group": "kubernetes-client.io",
        "resource": "externalsecrets",
        "subresource": "status",
    }


def test_every_watched_namespace_is_asked_for_until_one_allows_it() -> None:
    api = FakeKubeApi()
    api.answer("POST", REVIEWS, {"status": {"allowed": False}})
    assert not may_note(api, ("shop", "bank"))
    asked = [one.body["spec"]["resourceAttributes"]["namespace"] for one in api.made("POST")]
    assert asked == ["shop", "bank"]


@pytest.mark.parametrize("error", [ApiRetry("away", 503), None])
def test_where_no_answer_can_be_had_the_right_is_taken_for_lost(error: HarkError | None) -> None:
    api = FakeKubeApi()
    if error is not None:
        api.fail_next(error)
    assert not may_note(api, ())
