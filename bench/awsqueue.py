"""The queue of the AWS double: what SQS would hold, in memory.

Fed by bench.awsdouble with requests and native events; feeds it with answers in the words of the
SQS API reference. A receive with nothing to give waits for an arrival. When the answer of a receive
is made, `received_at` notes for each event in it the time (monotonic, which all processes of a
machine share): there the bench's clock starts. No dead-letter queue, no order, nothing durable.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.awssecrets import ACCOUNT, REGION

Row = dict[str, Any]
Answer = Callable[[Row], None]

_MOST = 10
_VISIBILITY = 30.0
_ATTRIBUTES = {"VisibilityTimeout": "30", "RedrivePolicy": "{}"}


@dataclass(slots=True)
class _Message:
    id: str
    body: str
    sent_ms: int
    visible_at: float = 0.0
    receives: int = 0
    receipt: str = ""


@dataclass(slots=True)
class Waiter:
    """A receive that waits for an arrival."""

    asked: Row
    answer: Answer
    timer: asyncio.TimerHandle | None = None


class Queue:
    """One queue; its URL's path is not looked at. Used from the event loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.received_at: dict[str, float] = {}
        self._loop = loop
        self._messages: dict[str, _Message] = {}
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._messages)

    def send(self, body: str) -> str:
        """Put a message; its id."""
        message = _Message(str(uuid.uuid4()), body, int(time.time() * 1000))
        self._messages[message.id] = message
        self._serve()
        return message.id

    def receive(self, asked: Row, answer: Answer) -> Waiter | None:
        """Answer now, or later; the waiter when it is later."""
        rows = self._take(asked)
        wait = float(asked.get("WaitTimeSeconds") or 0)
        if rows or not wait:
            answer({"Messages": rows} if rows else {})
            return None
        waiter = Waiter(asked, answer)
        waiter.timer = self._loop.call_later(wait, lambda: self._give_up(waiter))
        self._waiters.append(waiter)
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """The one who waited has hung up."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
            if waiter.timer is not None:
                waiter.timer.cancel()

    def delete_batch(self, asked: Row) -> Row:
        """DeleteMessageBatch."""
        return self._batch(asked, lambda message, _entry: self._messages.pop(message.id))

    def visibility_batch(self, asked: Row) -> Row:
        """ChangeMessageVisibilityBatch."""

        def hide(message: _Message, entry: Row) -> None:
            self._hide(message, float(entry["VisibilityTimeout"]))

        return self._batch(asked, hide)

    def attributes(self) -> Row:
        """GetQueueAttributes: whatever is asked for, these."""
        return {"Attributes": _ATTRIBUTES}

    def _batch(self, asked: Row, act: Callable[[_Message, Row], object]) -> Row:
        by_receipt = {one.receipt: one for one in self._messages.values() if one.receipt}
        done: list[Row] = []
        failed: list[Row] = []
        for entry in asked["Entries"]:
            message = by_receipt.get(entry["ReceiptHandle"])
            if message is None:
                failed.append(
                    {"Id": entry["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"}
                )
                continue
            act(message, entry)
            done.append({"Id": entry["Id"]})
        return {"Successful": done, "Failed": failed}

    def _take(self, asked: Row) -> list[Row]:
        now = self._loop.time()
        most = min(_MOST, int(asked.get("MaxNumberOfMessages") or 1))
        taken = [one for one in self._messages.values() if one.visible_at <= now][:most]
        for message in taken:
            message.receives += 1
            message.receipt = str(uuid.uuid4())
            self._hide(message, float(asked.get("VisibilityTimeout") or _VISIBILITY))
        at = time.monotonic()
        for message in taken:
            self.received_at.setdefault(message.id, at)
        return [_row(message) for message in taken]

    def _hide(self, message: _Message, seconds: float) -> None:
        message.visible_at = self._loop.time() + seconds
        self._loop.call_later(seconds, self._serve)

    def _serve(self) -> None:
        """Hand what is visible to those who wait."""
        while self._waiters:
            rows = self._take(self._waiters[0].asked)
            if not rows:
                return
            waiter = self._waiters[0]
            self.forget(waiter)
            waiter.answer({"Messages": rows})

    def _give_up(self, waiter: Waiter) -> None:
        self.forget(waiter)
        waiter.answer({})


def label_updated(name: str, arn: str, version: str) -> str:
    """The body with which EventBridge tells of a new current version.

    Its form is that of the page event-detail-secret-label-updated of the Secrets Manager User
    Guide.
    """
    return json.dumps(
        {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Secret Label Updated",
            "source": "aws.secretsmanager",
            "account": ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [arn],
            "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version},
        }
    )


def _row(message: _Message) -> Row:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "SentTimestamp": str(message.sent_ms),
        },
    }
