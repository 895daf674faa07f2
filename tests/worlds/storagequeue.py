"""Storage queues in Azurite: one of a test's own, with its poison queue."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from listener.sources.contract import Delivery, Origin
from listener.sources.storagequeue import Pace, StorageQueueSource, open_storage_queue
from listener.sources.storagequeueclient import Credential, StorageAccess
from listener.sources.storagequeueurl import POISON_SUFFIX, parse_storage_queue_url
from testbed.actions import Action, answer, hang_up
from testbed.azurite import ACCOUNT, KEY, connection_string
from testbed.proxy import WireProxy
from testbed.request import any_request
from worlds.sources import CANARY, EVERYTHING, Opening

_REFUSAL = (
    "<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code>"
    "<Message>This says {canary}.</Message></Error>"
)


def refused(status: int, code: str) -> Action:
    """Answer as the service does when it refuses."""
    body = _REFUSAL.format(code=code, canary=CANARY).encode()
    return answer(status, body, {"Content-Type": "application/xml", "x-ms-error-code": code})


def no_credential() -> Credential:
    """Where the connection string is for the account, nobody asks for a token."""
    raise AssertionError("a credential was asked for")


class QueuesOfATest:
    """Makes queues, fills them, looks at them past the proxy that the product goes through."""

    def __init__(self, url: str, proxy_url: str) -> None:
        self._url = url
        self._proxy_url = proxy_url
        self.name = f"changes-{secrets.token_hex(4)}"
        self.queue = self.client(self.name)
        self.poison = self.client(self.name + POISON_SUFFIX)
        self.url = f"{proxy_url}/{ACCOUNT}/{self.name}"

    def client(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(connection_string(self._url), name)

    def access(self, credential: Callable[[], Credential] = no_credential) -> StorageAccess:
        return StorageAccess(credential, connection_string(self._proxy_url))

    def open(self, pace: Pace, stop: threading.Event | None = None) -> StorageQueueSource:
        queue = parse_storage_queue_url(self.url)
        return open_storage_queue(queue, self.access(), pace, stop or threading.Event())

    def send(self, *bodies: str, is_encoded: bool = False) -> None:
        for body in bodies:
            text = base64.b64encode(body.encode()).decode() if is_encoded else body
            self.queue.send_message(text)

    def buried(self) -> list[str]:
        """What lies in the poison queue."""
        try:
            return [message.content for message in self.poison.peek_messages(32)]
        except ResourceNotFoundError:
            return []

    def left(self) -> int:
        return self.queue.get_queue_properties().approximate_message_count or 0

    def close(self) -> None:
        self.queue.close()
        self.poison.close()


class StorageQueueWorld:
    """Implements worlds.sources.SourceWorld."""

    abilities = EVERYTHING
    shortest_hold = 1.0
    shortest_delay = 1.0
    longest_wait = 1.0
    credentials: Sequence[str] = (KEY,)

    def __init__(self, queues: QueuesOfATest, proxy: WireProxy) -> None:
        self._queues = queues
        self._proxy = proxy
        self._hold = 0
        self._opened: list[StorageQueueSource] = []

    def prepare(self, hold: float) -> None:
        self._queues.queue.create_queue()
        self._hold = int(hold)

    def open(self) -> StorageQueueSource:
        pace = Pace(
            shortest_pause=0.02,
            longest_pause=0.1,
            wait=self.longest_wait,
            visibility=self._hold,
            reject=0,
            poison_after=3,
        )
        source = self._queues.open(pace)
        self._opened.append(source)
        return source

    def put(self, *names: str) -> None:
        self._queues.send(*(_body(name) for name in names), is_encoded=True)

    def name_of(self, delivery: Delivery) -> str:
        name: str = json.loads(delivery.body)["name"]
        return name

    def check(self, delivery: Delivery, name: str) -> None:
        assert delivery.body == _body(name)
        assert not delivery.attributes
        assert delivery.origin == Origin(account=ACCOUNT)
        assert abs(delivery.sent_at - time.time()) < 60

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="no such receipt")

    def left(self) -> int:
        return self._queues.left()

    def buried(self) -> list[str]:
        bodies = (base64.b64decode(content) for content in self._queues.buried())
        return [json.loads(body)["name"] for body in bodies]

    @contextmanager
    def away(self) -> Iterator[None]:
        with self._troubled(hang_up):
            self._proxy.cut_connections()
            yield

    @contextmanager
    def denied(self) -> Iterator[None]:
        with self._troubled(refused(403, "AuthorizationPermissionMismatch")):
            yield

    def close(self) -> None:
        for source in self._opened:
            source.close()

    @contextmanager
    def _troubled(self, action: Action) -> Iterator[None]:
        rule = self._proxy.when(any_request, action, times=None)
        try:
            yield
        finally:
            rule.retire()


def storage_queue(request: pytest.FixtureRequest) -> Opening:
    """A queue of the test's own."""
    url: str = request.getfixturevalue("azurite")
    proxy: WireProxy = request.getfixturevalue("azurite_proxy")
    queues = QueuesOfATest(url, proxy.url)
    world = StorageQueueWorld(queues, proxy)
    yield world
    world.close()
    queues.close()


def _body(name: str) -> str:
    return json.dumps({"name": name, "value": CANARY})
