"""The examples in docs/sources/webhook.md are taken as they stand."""

import json
import re
from pathlib import Path

import yaml

from externalsecret.identity import vault
from listener.messages import announced
from listener.webhook.callers import read_callers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sources" / "webhook.md"


def _blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_every_list_of_callers_is_one() -> None:
    blocks = _blocks("yml")
    assert len(blocks) == 2
    for block in blocks:
        kind = next(iter(yaml.safe_load(block)[0]))
        assert read_callers(block, kind).scopes


def test_the_announcement_is_one() -> None:
    (block,) = _blocks("json")
    meaning = announced.parse(json.dumps(json.loads(block)))
    assert isinstance(meaning, tuple)
    assert [(change.secret, change.version) for change in meaning] == [
        (vault("secret/data/shop/db"), "4")
    ]
