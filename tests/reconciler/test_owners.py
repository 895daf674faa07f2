from typing import Any

import pytest

from externalsecret.resource import ExternalSecret
from fakes.resources import external_secret, spec
from reconciler.adopt import is_ours
from reconciler.frame import Frame
from reconciler.live import LiveSecret, owner_reference, read_live
from reconciler.owners import mended_owners, new_owners

ES = external_secret()
RETAINED = external_secret(wanted={**spec(password="db"), "deletionPolicy": "Retain"})
OURS = owner_reference(ES)
FORMER = {**OURS, "uid": "an older one"}
OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "shop", "uid": "c1"}
OTHER_OPERATOR = {**OURS, "apiVersion": "external-secrets.io/v1", "uid": "e1"}
FRAME = Frame("Opaque")


def _live(*owners: dict[str, Any]) -> LiveSecret:
    metadata = {"uid": "s1", "resourceVersion": "1", "ownerReferences": list(owners)}
    return read_live({"metadata": metadata})


def test_a_new_secret_has_our_reference_unless_it_is_to_stay() -> None:
    assert new_owners(ES, FRAME) == [OURS]
    assert new_owners(RETAINED, FRAME) == []


@pytest.mark.parametrize(
    ("es", "owners", "mended"),
    [
        (ES, [OURS], None),
        (ES, [OTHER, OURS], None),
        (ES, [{**OURS, "blockOwnerDeletion": True}], None),
        (ES, [], [OURS]),
        (ES, [OTHER, FORMER], [OTHER, OURS]),
        (ES, [{**OURS, "controller": False}], [OURS]),
        (RETAINED, [], None),
        (RETAINED, [OTHER], None),
        (RETAINED, [OTHER, OURS], [OTHER]),
        (RETAINED, [FORMER, OURS], []),
        (RETAINED, [OTHER_OPERATOR], None),
        (ES, [OURS, OTHER_OPERATOR], None),
    ],
)
def test_only_our_own_reference_is_mended(
    es: ExternalSecret, owners: list[dict[str, Any]], mended: list[dict[str, Any]] | None
) -> None:
    assert mended_owners(es, FRAME, _live(*owners)) == mended


def test_what_the_template_adds_to_the_owners_is_kept_under_either_policy() -> None:
    frame = Frame("Opaque", own_reference={"blockOwnerDeletion": True}, owners=[OTHER])
    ours = {**OURS, "blockOwnerDeletion": True}
    assert new_owners(ES, frame) == [ours, OTHER]
    assert new_owners(RETAINED, frame) == [OTHER]
    assert mended_owners(RETAINED, frame, _live(ours, OTHER)) == [OTHER]
    assert mended_owners(RETAINED, frame, _live(OTHER)) is None
    assert mended_owners(ES, frame, _live(OTHER, ours)) is None


def test_the_secret_of_another_operator_with_a_kind_of_the_same_name_is_not_ours() -> None:
    assert not is_ours(ES, _live(OTHER_OPERATOR))
    assert is_ours(ES, _live({**OURS, "apiVersion": "kubernetes-client.io/v1alpha1"}))


def test_an_owner_of_the_template_that_was_taken_away_is_not_put_back_again_and_again() -> None:
    frame = Frame("Opaque", owners=[OTHER])
    told = external_secret(status={"uid": "u1", "observedGeneration": 1})
    assert mended_owners(ES, frame, _live(OURS)) == [OURS, OTHER]
    assert mended_owners(told, frame, _live(OURS)) is None
    assert mended_owners(told, frame, _live(FORMER)) == [OURS]


def test_a_retained_secret_that_lost_our_label_is_ours_still_by_the_record() -> None:
    on_record = external_secret(status={"uid": "u1", "secret": {"uid": "s1"}})
    assert is_ours(on_record, _live())
    assert not is_ours(external_secret(status={"uid": "u1", "secret": {"uid": "s2"}}), _live())
    assert not is_ours(ES, _live())
