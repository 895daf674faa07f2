"""A proxy on the wire between the product and a real server: it can lose, delay and forge what
passes.

Used by tests that crash or cut the product at a chosen instant. Clients speak plain HTTP/1.1 to
`url`; the real server may be http or https (a kubeconfig whose server is `url` still sends its
bearer token). Every request is logged without its contents. The earliest rule that matches and is
not used up decides; without one a request passes unharmed. Not for benchmarks, and not for Upgrade
requests.
"""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed.actions import Action, pass_on
from testbed.exchange import Entry, Exchange, Upstream
from testbed.httpserver import ProxyServer
from testbed.request import Head, Request
from testbed.rule import Rule

_WAIT_SECONDS = 30.0


class WireProxy:
    """A running proxy in front of one server."""

    def __init__(self, upstream_url: str, ca_file: Path | None = None) -> None:
        """Start on a free port of 127.0.0.1; `ca_file` is for an https upstream."""
        self._upstream_url = upstream_url.rstrip("/")
        self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._changed = threading.Condition()
        self._rules: list[Rule] = []
        self._log: list[Entry] = []
        self._stopping = threading.Event()
        self._server = ProxyServer(self)
        self.url = self._server.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def when(
        self, matcher: Callable[[Request], bool], action: Action, times: int | None = 1
    ) -> Rule:
        """Treat the next `times` requests that match (all if None) by an action."""
        rule = Rule(matcher, action, times)
        with self._changed:
            self._rules.append(rule)
        return rule

    @property
    def log(self) -> tuple[Entry, ...]:
        """All requests so far, in the order in which they came."""
        with self._changed:
            return tuple(self._log)

    def count(self, matcher: Callable[[Head], bool]) -> int:
        """Count the requests so far that match."""
        return sum(1 for entry in self.log if matcher(entry.head))

    def wait_for(
        self, matcher: Callable[[Head], bool], timeout: float = _WAIT_SECONDS, count: int = 1
    ) -> Head:
        """Wait until `count` matching requests came, counted from the proxy's start.

        Returns the last of them; raises TimeoutError after `timeout` seconds.
        """
        return self._wait(lambda entry: matcher(entry.head), timeout, count).head

    def wait_until_delivered(
        self, matcher: Callable[[Head], bool], timeout: float = _WAIT_SECONDS, count: int = 1
    ) -> Entry:
        """Wait until `count` matching requests were answered completely."""
        return self._wait(lambda entry: entry.delivered and matcher(entry.head), timeout, count)

    def cut_connections(self) -> None:
        """Break every open connection, watches too; new ones are accepted."""
        self._server.cut_connections()

    def stop(self) -> None:
        """Stop listening and break every connection; may be called twice."""
        self._stopping.set()
        self._server.close()

    def connect(self) -> Upstream:
        """For the listening side: make the upstream side of a new connection."""
        return Upstream(self._upstream_url, self._context)

    def treat(
        self, request: Request, target: str, wfile: io.BufferedIOBase, upstream: Upstream
    ) -> None:
        """For the listening side: do with a request what the rules say."""
        entry = Entry(request.head)
        with self._changed:
            self._log.append(entry)
            rules = tuple(self._rules)
            self._changed.notify_all()
        action = next((rule.action for rule in rules if rule.takes(request)), pass_on)
        try:
            action(Exchange(request, target, wfile, upstream, stopping=self._stopping, entry=entry))
        finally:
            with self._changed:
                self._changed.notify_all()

    def _wait(self, matches: Callable[[Entry], bool], timeout: float, count: int) -> Entry:
        found: list[Entry] = []

        def enough() -> bool:
            found[:] = [entry for entry in self._log if matches(entry)]
            return len(found) >= count

        with self._changed:
            if not self._changed.wait_for(enough, timeout):
                raise TimeoutError(f"{len(found)} such requests came, {count} were awaited")
            return found[count - 1]
