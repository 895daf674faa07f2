"""A webhook and senders that post each message again until it is taken, as Event Grid does."""

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from listener.sources.contract import Delivery, Origin
from listener.sources.webhook import WebhookSource
from worlds.sources import CANARY, Ability, Opening
from worlds.webhook import SECRET, Hook, announcement, plan

_PAUSE = 0.05
_PREFIX = "secret/data/"


class WebhookPosts:
    """Implements worlds.sources.SourceWorld. The senders take turns with what is open, as a Service
    lets them.
    """

    # No service stands behind a webhook that could be away, hide a message or count for us.
    abilities = frozenset(
        {Ability.EXPIRES, Ability.TELLS_LATE_ACKS, Ability.TELLS_FAILED_ACKS, Ability.BURIES}
    )
    shortest_hold = 0.5
    shortest_delay = 0.5
    longest_wait = 1.0
    credentials: Sequence[str] = (SECRET,)

    def __init__(self, folder: Path) -> None:
        self._plan = plan(folder)
        self._hold = 0.0
        self._lock = threading.Lock()
        self._hooks: list[Hook] = []
        self._left: set[str] = set()
        self._refused: list[str] = []
        self._ended = threading.Event()
        self._senders: list[threading.Thread] = []

    def prepare(self, hold: float) -> None:
        self._hold = hold

    def open(self) -> WebhookSource:
        hook = Hook(self._plan, patience=self._hold)
        with self._lock:
            self._hooks.append(hook)
        return hook.source

    def put(self, *names: str) -> None:
        self._left.update(names)
        for name in names:
            sender = threading.Thread(target=self._send, args=(name,), daemon=True)
            sender.start()
            self._senders.append(sender)

    def name_of(self, delivery: Delivery) -> str:
        key: str = json.loads(delivery.body)["data"]["key"]
        return key.removeprefix(_PREFIX)

    def check(self, delivery: Delivery, name: str) -> None:
        assert json.loads(delivery.body) == _event(name)
        assert delivery.attributes == {"form": "changes"}
        assert delivery.origin == Origin()

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="webhook-0")

    def left(self) -> int:
        with self._lock:
            return len(self._left)

    def buried(self) -> Sequence[str]:
        with self._lock:
            return list(self._refused)

    @contextmanager
    def away(self) -> Iterator[None]:
        yield

    @contextmanager
    def denied(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        self._ended.set()
        for hook in self._hooks:
            hook.close()
        for sender in self._senders:
            sender.join()

    def _send(self, name: str) -> None:
        turn = 0
        while not self._ended.is_set():
            with self._lock:
                hooks = list(self._hooks)
            status = _posted(hooks[turn % len(hooks)], name) if hooks else 0
            turn += 1
            if status in {200, 400}:
                with self._lock:
                    self._left.discard(name)
                    self._refused.extend([name] if status == 400 else [])
                return
            self._ended.wait(_PAUSE)


def webhook_posts(_request: pytest.FixtureRequest) -> Opening:
    with tempfile.TemporaryDirectory() as folder:
        world = WebhookPosts(Path(folder))
        yield world
        world.close()


def _posted(hook: Hook, name: str) -> int:
    try:
        return hook.post(_event(name)).status
    except OSError:
        return 0


def _event(name: str) -> dict[str, object]:
    return announcement(f"{_PREFIX}{name}", note=CANARY)
