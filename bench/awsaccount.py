"""What the AWS double holds: secrets, a queue, faults, and what it was asked for.

Fed by bench.awsdouble with parsed requests, of the product and of the bench; feeds it with answers.
Used from the event loop's thread only.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from bench.awsfaults import Faults
from bench.awsparameters import Parameters, parameter_changed
from bench.awsqueue import Queue, label_updated
from bench.awssecrets import Secrets

Row = dict[str, Any]

_LATENCY = 0.005


class Account:
    """What is served, and what was asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.latency = _LATENCY
        self.calls: Counter[str] = Counter()
        self.secrets = Secrets()
        self.parameters = Parameters()
        self.queue = Queue(loop)
        self.faults = Faults()
        self.service_times: list[float] = []
        """Seconds from the request of a read of a value to its answer, latency included."""
        self.operations: dict[str, Callable[[Row], Row]] = {
            "GetSecretValue": self.secrets.get,
            "BatchGetSecretValue": self.secrets.batch,
            "DescribeSecret": self.secrets.describe,
            "ListSecrets": self.secrets.list,
            "GetParameter": self.parameters.get,
            "GetParameters": self.parameters.get_many,
            "DescribeParameters": self.parameters.describe,
            "DeleteMessageBatch": self.queue.delete_batch,
            "ChangeMessageVisibilityBatch": self.queue.visibility_batch,
            "GetQueueAttributes": lambda _asked: self.queue.attributes(),
            "SendMessage": lambda asked: {"MessageId": self.queue.send(asked["MessageBody"])},
        }

    # For the bench.

    def administrate(self, what: str, asked: Row) -> Row:
        """Do what the bench wants; see bench.aws."""
        acts: dict[str, Callable[[Row], Row]] = {
            "create": self._create,
            "change": self._change,
            "parameters": self._put_parameters,
            "latency": self._set_latency,
            "throttle": self.faults.throttle,
            "hang": self.faults.hang,
            "counts": lambda _asked: self._counts(),
            "reset": lambda _asked: self._reset(),
        }
        return acts[what](asked)

    def _create(self, asked: Row) -> Row:
        for name, value in asked["secrets"].items():
            self.secrets.put(name, value)
        return {}

    def _change(self, asked: Row) -> Row:
        """All values first, then all events: as a burst in AWS looks from far away."""
        changed = {name: self.secrets.put(name, value) for name, value in asked["secrets"].items()}
        bodies = [
            (name, label_updated(name, arn, version)) for name, (arn, version) in changed.items()
        ] * int(asked.get("copies") or 1)
        if asked.get("shuffle"):
            random.Random(0).shuffle(bodies)  # noqa: S311 - the same order in each run
        messages: dict[str, str] = {}
        for name, body in bodies:
            messages.setdefault(name, self.queue.send(body))
        return {"messages": messages}

    def _put_parameters(self, asked: Row) -> Row:
        messages: dict[str, str] = {}
        for name, value in asked["values"].items():
            arn = self.parameters.put(name, value)
            if asked["announced"]:
                messages[name] = self.queue.send(parameter_changed(name, arn))
        return {"messages": messages}

    def _set_latency(self, asked: Row) -> Row:
        self.latency = float(asked["seconds"])
        return {}

    def _counts(self) -> Row:
        return {
            "calls": dict(self.calls),
            "values": self.secrets.values_served + self.parameters.values_served,
            "received_at": self.queue.received_at,
            "service_times": self.service_times,
            "queued": len(self.queue),
            "refused": self.faults.refused,
        }

    def _reset(self) -> Row:
        self.calls.clear()
        self.secrets.values_served = self.parameters.values_served = 0
        self.queue.received_at.clear()
        self.service_times.clear()
        return {}
