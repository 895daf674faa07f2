"""A proxy on the wire between the product and a gRPC server: it can refuse, delay and count calls.

Used by tests of Pub/Sub, where testbed.proxy, which speaks HTTP/1.1, is of no use. Single calls
pass as bytes, unread; streams do not pass. The earliest rule for a method that is not used up
decides; without one a call passes unharmed. Names of methods are the last part of their path:
`Pull`, `Acknowledge`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc

_THREADS = 32
EVERY = ""
"""In place of a method's name."""

Forward = Callable[[], bytes]
Act = Callable[[Forward, grpc.ServicerContext], bytes]


class GrpcRule:
    """What to do with some calls; made by `GrpcProxy.when`."""

    def __init__(self, method: str, act: Act, times: int | None) -> None:
        self.act = act
        self._method = method
        self._left = times

    def takes(self, method: str) -> bool:
        """Whether it is for this call; called under the proxy's lock."""
        if self._left == 0 or self._method not in {EVERY, method}:
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def retire(self) -> None:
        """Let all further calls pass."""
        self._left = 0


class GrpcProxy:
    """A running proxy in front of one server."""

    def __init__(self, upstream: str) -> None:
        """Start on a free port of the loopback; `upstream` is host:port."""
        self._upstream = grpc.insecure_channel(upstream)
        self._changed = threading.Condition()
        self._rules: list[GrpcRule] = []
        self._calls: list[tuple[str, bytes]] = []
        self._server = grpc.server(ThreadPoolExecutor(_THREADS))
        self._server.add_generic_rpc_handlers((_Every(self._treat),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def when(self, method: str, act: Act, times: int | None = 1) -> GrpcRule:
        """Treat the next `times` calls of a method (all if None) by an action."""
        rule = GrpcRule(method, act, times)
        with self._changed:
            self._rules.append(rule)
        return rule

    def requests(self, method: str) -> list[bytes]:
        """The requests of a method so far, as they came."""
        with self._changed:
            return [request for name, request in self._calls if name == method]

    def close(self) -> None:
        """Stop listening; may be called twice."""
        self._server.stop(None).wait()
        self._upstream.close()

    def _treat(self, path: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        method = path.rpartition("/")[2]
        with self._changed:
            self._calls.append((method, request))
            act = next((rule.act for rule in self._rules if rule.takes(method)), None)

        def forward() -> bytes:
            call = self._upstream.unary_unary(path)
            try:
                answer: bytes = call(request, timeout=context.time_remaining())
            except grpc.RpcError as error:
                context.set_trailing_metadata(error.trailing_metadata() or ())
                context.abort(error.code(), error.details() or "")
            return answer

        return forward() if act is None else act(forward, context)


class _Every(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    def __init__(self, treat: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> None:
        self._treat = treat

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler of a method, whatever its name."""
        path = details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._treat(path, request, context)
        )


def refuse(
    code: grpc.StatusCode, details: str = "", trailing: tuple[tuple[str, bytes], ...] = ()
) -> Act:
    """Answer in the server's place, which never sees the call."""

    def act(_forward: Forward, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata(trailing)
        context.abort(code, details)
        return b""

    return act


def before(call: Callable[[], object], then: Act | None = None) -> Act:
    """Call a function, such as one that kills a process, before the server sees the call."""

    def act(forward: Forward, context: grpc.ServicerContext) -> bytes:
        call()
        return forward() if then is None else then(forward, context)

    return act
