"""What the gauge of Vault's paths says of a look that got no answer."""

from collections.abc import Mapping, Sequence

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from externalsecret.errors import Retry
from externalsecret.reference import Reference
from listener.index import Index
from listener.metrics import ListenerMetrics
from listener.recent import Recent
from listener.sources.vaultnews import Look, Sight
from listener.sources.vaultpoll import VaultPoll

STATES = ("watched", "gone", "denied", "failed")


class _Eyes:
    """A Vault in which some paths get no answer."""

    def __init__(self) -> None:
        self.silent: set[str] = set()

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        return {one.entry: self._seen(one.secret.name) for one in references}

    def close(self) -> None:
        """Nothing is open."""

    def _seen(self, path: str) -> Look:
        if path in self.silent:
            return Retry("It is away.", reason="Away")
        return Sight("1@2026-11-24T10:00:00Z", is_gone=False)


def test_a_path_that_gets_no_answer_is_watched_no_more() -> None:
    eyes, registry = _Eyes(), CollectorRegistry()
    poll = VaultPoll(eyes, _index("secret/data/a", "secret/data/b"), ListenerMetrics(registry), _no)

    poll.look()
    assert _paths(registry) == {"watched": 2, "gone": 0, "denied": 0, "failed": 0}
    eyes.silent = {"secret/data/a"}
    poll.look()
    assert _paths(registry) == {"watched": 1, "gone": 0, "denied": 0, "failed": 1}
    eyes.silent = {"secret/data/a", "secret/data/b"}
    with pytest.raises(Retry):
        poll.look()
    assert _paths(registry) == {"watched": 0, "gone": 0, "denied": 0, "failed": 2}
    eyes.silent = set()
    poll.look()
    assert _paths(registry) == {"watched": 2, "gone": 0, "denied": 0, "failed": 0}


def _paths(registry: CollectorRegistry) -> dict[str, float | None]:
    name = "hark_listener_vault_paths"
    return {state: registry.get_sample_value(name, {"state": state}) for state in STATES}


def _index(*paths: str) -> Index:
    index = Index(Defaults(), "", Recent(), lambda _key, _missed: None)
    for number, path in enumerate(paths, start=1):
        metadata = {
            "namespace": "shop",
            "name": f"app-{number}",
            "uid": f"uid-{number}",
            "resourceVersion": str(number),
        }
        spec = {"backendType": "vault", "data": [{"key": path, "name": "x"}]}
        index.upsert({"metadata": metadata, "spec": spec})
    return index


def _no(_key: tuple[str, str], _reason: str, _message: str) -> None:
    """Nobody is told."""
