"""How the AWS double misbehaves, if the bench asks for it: throttling, and a role that hangs.

Fed by bench.awsdouble with what is asked for and by whom; tells it what to answer instead, and how
long to wait. Only reads of values are concerned.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

Row = dict[str, Any]

_VALUES = {"GetSecretValue", "BatchGetSecretValue"}
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}


def access_key(role_arn: str) -> str:
    """The access key that the double lends with a role: by it a call tells its role."""
    return f"ASIA{hashlib.sha256(role_arn.encode()).hexdigest()[:16].upper()}"


class Faults:
    """None, until asked for."""

    def __init__(self) -> None:
        self.refused = 0
        """Reads that were throttled."""
        self._throttled_until = 0.0
        self._reads = 0
        self._slow: dict[str, float] = {}

    def throttle(self, asked: Row) -> Row:
        """Refuse every second read of values for so many seconds."""
        self._throttled_until = time.monotonic() + asked["seconds"]
        return {}

    def hang(self, asked: Row) -> Row:
        """Let each read as this role take so many seconds."""
        self._slow[access_key(asked["role"])] = asked["seconds"]
        return {}

    def refuses(self, operation: str) -> bool:
        """Whether this call is throttled."""
        if operation not in _VALUES or time.monotonic() > self._throttled_until:
            return False
        self._reads += 1
        if self._reads % 2 == 0:
            return False
        self.refused += 1
        return True

    def delay(self, operation: str, authorization: str) -> float:
        """Seconds to wait beyond the latency of all."""
        if operation not in _VALUES:
            return 0.0
        return next((slow for key, slow in self._slow.items() if key in authorization), 0.0)
