"""Vault, as listener.sources.contract wants a source: what its metadata and its events tell.

Made by hark.sources.vault, which hands it a login of the listener's own; feeds listener.listen with
bodies for listener.messages.vault. Vault pushes nothing to who has no Enterprise licence, so the
replica that holds the Lease looks at metadata, round after round. With event notifications it holds
one socket a namespace, and looks after each opening and from time to time, because they get lost.

Guarantees: one replica at a time asks Vault; another that takes over compares everything with the
ledgers, and so does a restart: what was seen and not noted is seen again. Nothing asks for a value.
Messages that were not acknowledged come again by themselves.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from listener.messages.vault import BASE, NAMESPACE
from listener.metrics import ListenerMetrics
from listener.sources.contract import Delivery
from listener.sources.vaultinbox import Inbox
from listener.sources.vaultnews import Eyes
from listener.sources.vaultpoll import VaultPoll

NAME = "vault:metadata"
_MOST = 10
_GLANCE = 0.5


class Openable(Protocol):
    """An event socket; its SDK is loaded only where events are wanted."""

    is_open: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds."""

    poll: float = 30.0
    """Between rounds where no events come."""
    compare: float = 600.0
    """Between rounds where every socket is open."""


class VaultSource:
    """Implements Source. `is_leader` is asked before each step."""

    name = NAME
    via = "vault"
    extend_every = 10.0

    def __init__(
        self,
        poll: VaultPoll,
        eyes: Eyes,
        inbox: Inbox,
        pace: Pace,
        *,
        metrics: ListenerMetrics,
        is_leader: Callable[[], bool],
        base: str = "",
    ) -> None:
        """`base`: the namespace in which the manifests' paths begin."""
        self.sockets: Sequence[Openable] = ()
        self._poll = poll
        self._eyes = eyes
        self._inbox = inbox
        self._pace = pace
        self._metrics = metrics
        self._is_leader = is_leader
        self._base = base
        self._led = False

    def receive(self) -> Sequence[Delivery]:
        """What is at hand, else what the next few looks bring; waits for half a second at most."""
        if not self._leads():
            # What a socket heard while it was being closed is the next leader's.
            self._inbox.clear()
            self._inbox.take(0, _GLANCE)
            return ()
        ready = self._inbox.take(_MOST)
        if ready:
            return ready
        wait = self._poll.wait_for(self._interval())
        if wait > 0:
            return self._inbox.take(_MOST, min(wait, _GLANCE))
        for news in self._poll.look():
            if not self._inbox.put(news.key, news.body):
                # The next round finds what has no room in this one.
                self._poll.hasten()
        return self._inbox.take(_MOST)

    def ack(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """They are noted in the ledgers, with which the next look compares."""
        return self._inbox.drop(deliveries)

    def retry(self, deliveries: Sequence[Delivery], after: float) -> None:
        self._inbox.hide(deliveries, after)

    def reject(self, deliveries: Sequence[Delivery]) -> int:
        """There is no place for dead letters; they are counted, and the metadata tells the rest."""
        self._inbox.drop(deliveries)
        return len(deliveries)

    def extend(self, deliveries: Sequence[Delivery]) -> None:
        self._inbox.extend(deliveries)

    def close(self) -> None:
        self._eyes.close()

    def hear(self, body: str, namespace: str) -> None:
        """A message of an event socket's."""
        if not self._is_leader():
            return
        identity = hashlib.sha256(body.encode("utf-8", "backslashreplace")).hexdigest()
        about = {NAMESPACE: namespace, BASE: self._base}
        if not self._inbox.put(f"event:{identity}", body, about):
            self._poll.hasten()

    def compare(self) -> None:
        """An event socket was opened: look at what was missed."""
        self._poll.hasten()

    def _interval(self) -> float:
        hears = bool(self.sockets) and all(socket.is_open for socket in self.sockets)
        return max(self._pace.compare, self._pace.poll) if hears else self._pace.poll

    def _leads(self) -> bool:
        leads = self._is_leader()
        if leads and not self._led:
            self._poll.begin_anew()
        if self._led and not leads:
            self._inbox.clear()
        self._led = leads
        self._metrics.vault_leader.set(1 if leads else 0)
        return leads
