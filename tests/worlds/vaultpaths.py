"""Vault as a queue: a message is a path in a real OpenBao whose ledger lags behind by a version.

What the listener writes into the ledger before it acknowledges is written here by `ack`. There is
one source however often it is opened: other replicas ask nothing.
"""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from externalsecret.dialect.contract import Defaults
from externalsecret.ledger import Heard, Synced
from externalsecret.manifest import read_manifest
from externalsecret.reference import Identity
from hark.sources.vaulteyes import VaultEyes
from listener.index import Index
from listener.messages.vault import parse
from listener.metrics import ListenerMetrics
from listener.recent import Recent
from listener.sources.contract import Delivery, Origin
from listener.sources.vault import Pace, VaultSource
from listener.sources.vaultinbox import Inbox
from listener.sources.vaultpoll import VaultPoll
from reconciler.backends.vaultaccess import VaultAccess
from reconciler.backends.vaultsettings import VaultSettings
from testbed.actions import hang_up
from testbed.openbao import TOKEN, Bao
from testbed.proxy import WireProxy
from testbed.request import any_request
from worlds.sources import CANARY, EVERYTHING, Ability, Opening


class _Noting(VaultSource):
    """As the listener's, whose notes are written before the acknowledgement."""

    world: "VaultPaths"

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        for delivery in deliveries:
            self.world.note(delivery)
        failed = super().ack(deliveries)
        self.world.done += len(deliveries) - len(failed)
        return failed


class VaultPaths:
    """Implements worlds.sources.SourceWorld."""

    abilities = EVERYTHING - {Ability.BURIES, Ability.DENIES}
    shortest_hold = 1.0
    shortest_delay = 1.0
    longest_wait = 1.0
    credentials: Sequence[str] = (TOKEN,)

    def __init__(self, bao: Bao, proxy: WireProxy) -> None:
        self.done = 0
        self._bao = bao
        self._proxy = proxy
        self._mount = f"queue-{secrets.token_hex(4)}"
        bao.mount(self._mount, 2)
        self._index = Index(Defaults(), "", Recent(), lambda _key, _missed: None)
        self._versions: dict[str, tuple[str, str]] = {}
        self._names: dict[str, str] = {}
        self._count = 0

    def prepare(self, hold: float) -> None:
        settings = VaultSettings(address=self._proxy.url, token=TOKEN)
        eyes = VaultEyes(VaultAccess(settings), Identity(vault_mount="none"))
        metrics = ListenerMetrics(CollectorRegistry())
        poll = VaultPoll(eyes, self._index, metrics, lambda _key, _reason, _message: None)
        self._source = _Noting(
            poll,
            eyes,
            Inbox(hidden=hold),
            Pace(poll=0.0),
            metrics=metrics,
            is_leader=lambda: True,
        )
        self._source.world = self

    def open(self) -> VaultSource:
        return self._source

    def put(self, *names: str) -> None:
        for name in names:
            old, new = self._write(name), self._write(name)
            self._versions[name] = (old, new)
            self._know(name, None)

    def name_of(self, delivery: Delivery) -> str:
        serial = delivery.receipt.partition(":")[2]
        if delivery.body:
            meaning = parse(delivery.body)
            assert isinstance(meaning, tuple)
            self._names[serial] = meaning[0].secret.name.rpartition("/")[2]
        return self._names[serial]

    def check(self, delivery: Delivery, name: str) -> None:
        meaning = parse(delivery.body)
        assert isinstance(meaning, tuple)
        (event,) = meaning
        assert event.secret.name == self._path(name)
        assert event.version == self._versions[name][1]
        assert not delivery.attributes
        assert delivery.origin == Origin()
        assert abs(delivery.sent_at - time.time()) < 60

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="no such receipt")

    def note(self, delivery: Delivery) -> None:
        """The ledger tells of the message from now on, as far as it is one."""
        for name, (_, new) in self._versions.items():
            if delivery.body and parse(delivery.body)[0].secret.name == self._path(name):  # type: ignore[index]
                self._know(name, Heard(json.loads(delivery.body)["id"], new, None, "vault"))

    def left(self) -> int:
        return len(self._versions) - self.done

    def buried(self) -> Sequence[str]:
        return ()

    @contextmanager
    def away(self) -> Iterator[None]:
        rule = self._proxy.when(any_request, hang_up, times=None)
        self._proxy.cut_connections()
        try:
            yield
        finally:
            rule.retire()

    @contextmanager
    def denied(self) -> Iterator[None]:
        yield

    def _path(self, name: str) -> str:
        return f"{self._mount}/data/{CANARY}/{name}"

    def _write(self, name: str) -> str:
        made = self._bao.request("POST", self._path(name), {"data": {"x": "y"}})["data"]
        return f"{made['version']}@{made['created_time']}"

    def _know(self, name: str, heard: Heard | None) -> None:
        self._count += 1
        spec: dict[str, Any] = {
            "backendType": "vault",
            "data": [{"key": self._path(name), "name": "x"}],
        }
        manifest = read_manifest(spec, Defaults())
        (entry,) = manifest.references
        old, _ = self._versions[name]
        leaf = Synced("", old, "", "", "", ("x",), manifest.fingerprint(entry))
        leaves = {"synced": leaf.leaf(), "heard": None if heard is None else heard.leaf()}
        metadata = {
            "namespace": "shop",
            "name": name,
            "uid": name,
            "resourceVersion": str(self._count),
        }
        status = {"uid": name, "keys": {entry: leaves}}
        self._index.upsert({"metadata": metadata, "spec": spec, "status": status})


def vault_paths(request: pytest.FixtureRequest) -> Opening:
    """Paths of the test's own in the Vault that all tests share."""
    bao: Bao = request.getfixturevalue("bao")
    proxy: WireProxy = request.getfixturevalue("bao_proxy")
    yield VaultPaths(bao, proxy)
