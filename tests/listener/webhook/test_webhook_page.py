"""The examples in docs/sources/webhook.md are taken as they stand."""

import json
import re
from pathlib import Path

import yaml

from externalsecret.dialect.contract import Defaults
from externalsecret.identity import vault
from externalsecret.manifest import read_manifest
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


def test_the_caller_of_the_examples_may_announce_their_change() -> None:
    examples = PAGE.parents[2] / "examples"
    callers = read_callers((examples / "webhook/callers.yaml").read_text("utf-8"), "secret")
    meaning = announced.parse((examples / "webhook/change.json").read_text("utf-8"))
    assert isinstance(meaning, tuple)
    (change,) = meaning
    assert callers.may_announce("shop", change.secret)
    manifest = yaml.safe_load((examples / "vault/external-secret.yaml").read_text("utf-8"))
    references = read_manifest(manifest["spec"], Defaults(region="")).references.values()
    assert [one.secret for one in references] == [change.secret]
