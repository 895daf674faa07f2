"""An order to the wire proxy to treat some requests in a special way."""

from __future__ import annotations

import threading
from collections.abc import Callable

from testbed.actions import Action
from testbed.request import Request

_WAIT_SECONDS = 30.0


class Rule:
    """Made by `WireProxy.when`; a test keeps it to wait until it is met."""

    def __init__(
        self, matcher: Callable[[Request], bool], action: Action, times: int | None
    ) -> None:
        self._matcher = matcher
        self._times = times
        self._changed = threading.Condition()
        self._met: list[Request] = []
        self.action = action

    @property
    def met(self) -> tuple[Request, ...]:
        """The requests that this rule has taken so far, with their contents."""
        with self._changed:
            return tuple(self._met)

    def wait(self, timeout: float = _WAIT_SECONDS, count: int = 1) -> Request:
        """Wait until the rule has met `count` requests and return the last of these.

        It is met before its action begins. Raises TimeoutError after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._met) >= count, timeout):
                raise TimeoutError(f"the rule met {len(self._met)} requests, {count} were awaited")
            return self._met[count - 1]

    def retire(self) -> None:
        """Let all further requests pass."""
        with self._changed:
            self._times = 0

    def takes(self, request: Request) -> bool:
        """Tell whether the rule is for this request, and if so count it as met."""
        with self._changed:
            if self._times is not None and len(self._met) >= self._times:
                return False
            if not self._matcher(request):
                return False
            self._met.append(request)
            self._changed.notify_all()
            return True
