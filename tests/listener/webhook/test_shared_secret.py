"""Callers who share a secret with the webhook."""

from pathlib import Path

import pytest

from externalsecret.errors import GiveUp
from listener.webhook.sharedsecret import read_secrets, secret_files
from worlds.webhook import SECRET, Hook, announcement

EVENT = announcement("secret/data/app")
OTHER = "another-secret-of-some-length"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/changes", {"Authorization": f"Bearer {SECRET}"}),
        ("/v1/changes", {"X-Hark-Secret": SECRET}),
        (f"/v1/changes?secret={SECRET}", {}),
    ],
)
def test_it_may_be_shown_in_a_header_or_in_the_query(
    hook: Hook, path: str, headers: dict[str, str]
) -> None:
    assert hook.post(EVENT, path=path, headers=headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": f"Bearer {SECRET}x"},
        {"X-Hark-Secret": "\u00e4".encode().decode("latin-1")},
    ],
)
def test_without_a_good_one_nothing_is_heard(hook: Hook, headers: dict[str, str]) -> None:
    answer = hook.post(EVENT, headers=headers)
    assert answer.status == 401
    assert answer.error
    assert not hook.heard


def test_two_are_good_while_one_is_replaced(hook: Hook, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "pipeline"

    def statuses() -> list[int]:
        return [hook.post(EVENT, headers={"X-Hark-Secret": one}).status for one in (SECRET, OTHER)]

    assert statuses() == [200, 401]
    file.write_text(f"{SECRET}\n{OTHER}\n")
    assert statuses() == [200, 200]
    file.write_text(OTHER)
    assert statuses() == [401, 200]


def test_a_caller_without_scopes_may_announce_nothing(hook: Hook, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "another").write_text(OTHER)
    assert hook.post(EVENT, headers={"X-Hark-Secret": OTHER}).status == 403


@pytest.mark.parametrize("text", ["", "brief-one", f"{SECRET}\n{OTHER}\nand-yet-another-secret"])
def test_a_weak_file_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "ci").write_text(text)
    with pytest.raises(GiveUp) as refusal:
        read_secrets(secret_files(tmp_path))
    assert refusal.value.reason == "InvalidSharedSecret"
    assert not text or text not in str(refusal.value)


def test_two_callers_may_not_share_a_secret(tmp_path: Path) -> None:
    (tmp_path / "first").write_text(SECRET)
    (tmp_path / "second").write_text(f"{OTHER}\n{SECRET}\n")
    with pytest.raises(GiveUp, match="first and second share a secret"):
        read_secrets(secret_files(tmp_path))


def test_two_words_on_a_line_are_not_two_secrets(tmp_path: Path) -> None:
    (tmp_path / "caller").write_text(f"{SECRET} {OTHER}")
    with pytest.raises(GiveUp, match="blank") as refused:
        read_secrets(secret_files(tmp_path))
    assert SECRET not in str(refused.value)
