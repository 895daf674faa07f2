"""What a rule of the wire proxy does with a request that it matched.

An action is a function of an Exchange, so a test may also write its own. Those here compose:
`after(kill, then=withhold)` lets the server do the work, kills somebody, and loses the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from testbed.exchange import Exchange

Action = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """Do what happens without a rule."""
    exchange.deliver()


def hang_up(exchange: Exchange) -> None:
    """Close the connection; the server sees the request only if it was forwarded before."""
    exchange.hang_up()


def withhold(exchange: Exchange) -> None:
    """Keep the client waiting until the proxy stops; the server never sees the request."""
    exchange.hold(threading.Event())


def withhold_answer(exchange: Exchange) -> None:
    """Let the server do the work, but keep the client waiting until the proxy stops."""
    exchange.forward()
    exchange.hold(threading.Event())


def hold_until(released: threading.Event, then: Action = pass_on) -> Action:
    """Keep the request from the server until the event."""

    def act(exchange: Exchange) -> None:
        exchange.hold(released)
        then(exchange)

    return act


def hold_answer_until(released: threading.Event) -> Action:
    """Let the server do the work at once, but give its answer to the client at the event."""

    def act(exchange: Exchange) -> None:
        exchange.forward()
        exchange.hold(released)
        exchange.deliver()

    return act


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Action:
    """Answer in the server's place, which never sees the request."""

    def act(exchange: Exchange) -> None:
        exchange.answer(status, body, headers or {"Content-Type": "application/json"})

    return act


def before(call: Callable[[], object], then: Action = pass_on) -> Action:
    """Call a function, such as one that kills a process, before the server sees the request."""

    def act(exchange: Exchange) -> None:
        call()
        then(exchange)

    return act


def after(call: Callable[[], object], then: Action = pass_on) -> Action:
    """Call a function once the server has done the work, before the client hears of it."""

    def act(exchange: Exchange) -> None:
        exchange.forward()
        call()
        then(exchange)

    return act
