"""The AWS double as the bench holds it: starts its process, makes and changes secrets, asks what
was counted.

Feeds the scenarios and the environment of both halves.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.awssecrets import ACCOUNT, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/bench"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the double saw since the last reset."""

    calls: Mapping[str, int]
    """By operation."""
    values: int
    """Secret values that left it: a batch of 20 counts 20."""
    received_at: Mapping[str, float]
    """When (monotonic) the answer of the receive that carried a message was made, by message."""
    service_times: list[float]
    """Of each call that reads values, from request to answer, in seconds."""
    queued: int
    """Messages that nobody acknowledged yet."""
    refused: int
    """Reads of values that were throttled, ever."""

    @property
    def reading_calls(self) -> int:
        """Calls that read values, one or many."""
        return sum(self.calls.get(one, 0) for one in ("GetSecretValue", "BatchGetSecretValue"))


class Aws:
    """A double in a process of its own; killed with `close`. Threads share it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.awsdouble"],
            cwd=Path(__file__).resolve().parent.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; may be called twice."""
        self._connection.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def queue_url(self) -> str:
        return f"{self.url}/{ACCOUNT}/hark-events"

    def env(self) -> dict[str, str]:
        """The environment with which any AWS SDK speaks to the double."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCH0",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def create(self, secrets: Mapping[str, str]) -> None:
        """Make secrets, announced to nobody."""
        self._post("create", {"secrets": secrets})

    def change(
        self, secrets: Mapping[str, str], *, copies: int = 1, shuffle: bool = False
    ) -> dict[str, str]:
        """Give secrets new current values and enqueue their native events, each so many times and
        perhaps in another order; the ids of the first messages by name.
        """
        asked = {"secrets": secrets, "copies": copies, "shuffle": shuffle}
        messages: dict[str, str] = self._post("change", asked)["messages"]
        return messages

    def put_parameters(self, values: Mapping[str, str], *, announced: bool) -> dict[str, str]:
        """Make parameters, or give them new versions, and perhaps enqueue their events; message
        ids by name.
        """
        asked = {"values": values, "announced": announced}
        messages: dict[str, str] = self._post("parameters", asked)["messages"]
        return messages

    def throttle(self, seconds: float) -> None:
        """Refuse every second read of values for so long."""
        self._post("throttle", {"seconds": seconds})

    def hang(self, role_arn: str, seconds: float) -> None:
        """Let each read of values as this role take so long."""
        self._post("hang", {"role": role_arn, "seconds": seconds})

    def set_latency(self, seconds: float) -> None:
        """How long each call but a receive takes."""
        self._post("latency", {"seconds": seconds})

    def counts(self) -> Counts:
        """What was asked for since the last reset."""
        return Counts(**self._post("counts", {}))

    def reset(self) -> None:
        """Count from zero; secrets and messages stay."""
        self._post("reset", {})

    def _post(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._connection.request("POST", f"/admin/{what}", json.dumps(body))
            answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
            return answer
