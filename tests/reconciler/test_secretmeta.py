from typing import Any

from externalsecret.redacted import Redacted
from externalsecret.resource import MANAGED_LABEL
from fakes.resources import external_secret
from reconciler.frame import Frame, frame_of
from reconciler.live import LiveSecret, owner_reference
from reconciler.secretmeta import metadata_patch, new_metadata

ES = external_secret()
OURS = owner_reference(ES)
TEMPLATE = {
    "immutable": True,
    "metadata": {
        "labels": {"team": "red", "user": "<%= data.user %>", "absent": None, MANAGED_LABEL: "x"},
        "annotations": {"why": "shop"},
        "ownerReferences": [{"blockOwnerDeletion": True, "name": "x"}, {"uid": "second"}],
        "finalizers": ["example.org/kept"],
    },
}


def live(**fields: Any) -> LiveSecret:
    known: dict[str, Any] = {
        "owners": (OURS,),
        "labels": {MANAGED_LABEL: "hark"},
        "annotations": {},
        **fields,
    }
    return LiveSecret("s1", "5", frozenset(), **known)


def test_a_new_secret_has_all_that_the_template_says_but_what_is_ours() -> None:
    assert new_metadata(ES, frame_of(TEMPLATE, "Opaque")) == {
        "name": "shop",
        "labels": {"team": "red", MANAGED_LABEL: "hark"},
        "annotations": {"why": "shop"},
        "ownerReferences": [{**OURS, "blockOwnerDeletion": True}, {"uid": "second"}],
        "finalizers": ["example.org/kept"],
    }


def test_an_evaluated_text_leaves_its_cover_for_the_request_alone() -> None:
    frame = Frame("Opaque", {"user": Redacted("é".encode())})
    assert "é" not in repr(frame)
    assert metadata_patch(ES, frame, live()) == {"labels": {"user": "é"}}


def test_a_text_that_was_not_evaluated_stays() -> None:
    held = {MANAGED_LABEL: "hark", "user": "anna"}
    frame = Frame("Opaque", {"user": None})
    assert metadata_patch(ES, frame, live(labels=held, owned_labels=frozenset(held))) == {}


def test_what_hark_wrote_and_nothing_asks_for_any_more_goes_and_nothing_else() -> None:
    held = live(
        labels={MANAGED_LABEL: "hark", "old": "1", "theirs": "2"},
        annotations={"old": "1", "theirs": "2"},
        owned_labels=frozenset({MANAGED_LABEL, "old", "gone already"}),
        owned_annotations=frozenset({"old"}),
    )
    assert metadata_patch(ES, Frame("Opaque"), held) == {
        "labels": {"old": None},
        "annotations": {"old": None},
    }


def test_owners_of_the_template_are_added_once_and_others_stay() -> None:
    frame = frame_of({"metadata": TEMPLATE["metadata"]}, "Opaque")
    frame = Frame("Opaque", own_reference=frame.own_reference, owners=frame.owners)
    theirs = {"uid": "theirs"}
    (owners,) = metadata_patch(ES, frame, live(owners=(OURS, theirs))).values()
    assert owners == [
        theirs,
        {**OURS, "blockOwnerDeletion": True, "name": "shop"},
        {"uid": "second"},
    ]
    assert metadata_patch(ES, frame, live(owners=tuple(owners))) == {}
