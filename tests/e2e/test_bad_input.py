"""What Hark cannot serve is told in one sentence, costs the cluster nothing and holds up nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from worlds.spine import unique
from worlds.whole import DENIED, Whole


def _nothing(world: Whole, name: str) -> None:
    """The backend has no such secret."""


def _good(world: Whole, name: str) -> None:
    world.create(name, {"user": "app", "member": "value"})


def _plain(world: Whole, name: str) -> None:
    world.create(name, "no json at all")


def _denied(world: Whole, name: str) -> None:
    _good(world, name)
    world.refuse(name, DENIED)


@dataclass(frozen=True, slots=True)
class Bad:
    """A manifest (KEY stands for the secret), the state of its secret, and what must be said."""

    reason: str
    sentence: str
    spec: dict[str, Any]
    prepare: Callable[[Whole, str], None] = _good


ONE = [{"key": "KEY", "name": "entry"}]
CASES = {
    **{
        backend: Bad(
            "UnsupportedBackend",
            f"backendType {backend} is not served by this version of Hark (it serves",
            {"backendType": backend},
        )
        for backend in ("alicloudSecretsManager", "ibmcloudSecretsManager", "akeyless")
    },
    "a path": Bad("InvalidSpec", "_getByPath not implemented", {"data": [{"path": "/x"}]}),
    "a template": Bad(
        "InvalidTemplate",
        "spec.template.stringData.x must be text",
        {"template": {"stringData": {"x": 5}}},
    ),
    "an expression": Bad(
        "TemplateFailed",
        "spec.template.metadata.labels.x cannot be evaluated: ReferenceError in expression 1",
        {"template": {"metadata": {"labels": {"x": "<%= nobody.entry %>"}}}},
    ),
    "a label that is none": Bad(
        "SecretRefused",
        "The API server refuses metadata.labels",
        {"template": {"metadata": {"labels": {"x": "<%= data.entry %>"}}}},
    ),
    "credentials of Kubernetes": Bad(
        "InvalidTemplate",
        "HARK_ALLOW_SERVICE_ACCOUNT_TOKENS",
        {"template": {"type": "kubernetes.io/service-account-token"}},
    ),
    "no such secret": Bad("NotFound", "Create the secret", {}, _nothing),
    "denied": Bad("Denied", "Allow the action", {}, _denied),
    "no JSON": Bad(
        "BadValue",
        "not JSON",
        {"data": [{"key": "KEY", "name": "entry", "property": "user"}]},
        _plain,
    ),
    "no such property": Bad(
        "BadValue",
        "Could not find property lost in",
        {"data": [{"key": "KEY", "name": "entry", "property": "lost"}]},
    ),
    "no object": Bad("BadValue", "not a JSON object", {"data": [], "dataFrom": ["KEY"]}, _plain),
    "a bad entry name": Bad(
        "BadValue", "cannot name an entry", {"data": [{"key": "KEY", "name": "no entry"}]}
    ),
    "no region": Bad("InvalidSpec", "is no AWS region", {"region": "no region/../x"}),
}


@pytest.mark.parametrize("bad", CASES.values(), ids=CASES.keys())
def test_a_manifest_that_cannot_be_served_says_why_and_makes_nothing(
    world: Whole, bad: Bad
) -> None:
    name, other = unique("bad"), unique("good")
    role = world.own_role()
    bad.prepare(world, name)
    world.create(other, "value")
    spec = {"roleArn": role, "data": ONE, **bad.spec}

    world.apply(name, _with_key(spec, name))
    world.apply(other, {"roleArn": role, "data": [{"key": other, "name": "entry"}]})

    sentence = world.await_complaint(name, bad.reason)
    assert bad.sentence in sentence
    assert "\n" not in sentence
    world.await_data(other, entry=b"value")
    assert world.secret(name) is None
    assert len(world.events(name)) == 1


def _with_key(spec: Any, key: str) -> Any:
    if isinstance(spec, dict):
        return {name: _with_key(value, key) for name, value in spec.items()}
    if isinstance(spec, list):
        return [_with_key(value, key) for value in spec]
    return key if spec == "KEY" else spec
