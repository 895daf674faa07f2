"""A double of AWS that is fast and counts: Secrets Manager, STS and SQS as the SDK speaks to them.

`python -m bench.awsdouble` serves on a free loopback port, which it prints, until it is killed; a
process of its own, so that neither its work nor its counts mix with the bench's. Fed by the
product's SDK and, under /admin/, by bench.aws. Every answer but that of a receive comes `latency`
seconds after its request. Signatures are not checked; one account, one region, one queue.

Guarantees: a call is counted when its request is complete, under the operation's name. Does not
guarantee what AWS guarantees; the tests hold it to what boto3 makes of it.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from bench.awsqueue import Queue, Waiter, label_updated
from bench.awssecrets import RefusedError, Secrets

Row = dict[str, Any]

_LATENCY = 0.005
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}
_HEAD = (
    b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
    b"x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n\r\n"
)
_JSON = b"application/x-amz-json-1.1"
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROA:bench</AssumedRoleId><Arn>{arn}</Arn>
</AssumedRoleUser><Credentials><AccessKeyId>ASIABENCHBENCHBENCH0</AccessKeyId>
<SecretAccessKey>none</SecretAccessKey><SessionToken>none</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleResult>
<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></AssumeRoleResponse>"""
_HOUR = 3600.0


class Account:
    """What is served, and what was asked for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.latency = _LATENCY
        self.calls: Counter[str] = Counter()
        self.secrets = Secrets()
        self.queue = Queue(loop)
        self.service_times: list[float] = []
        """Seconds from the request of a read of a value to its answer, latency included."""
        self.operations: dict[str, Callable[[Row], Row]] = {
            "GetSecretValue": self.secrets.get,
            "BatchGetSecretValue": self.secrets.batch,
            "DescribeSecret": self.secrets.describe,
            "ListSecrets": self.secrets.list,
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
            "latency": self._set_latency,
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
        messages = {
            name: self.queue.send(label_updated(name, arn, version))
            for name, (arn, version) in changed.items()
        }
        return {"messages": messages}

    def _set_latency(self, asked: Row) -> Row:
        self.latency = float(asked["seconds"])
        return {}

    def _counts(self) -> Row:
        return {
            "calls": dict(self.calls),
            "values": self.secrets.values_served,
            "received_at": self.queue.received_at,
            "service_times": self.service_times,
            "queued": len(self.queue),
        }

    def _reset(self) -> Row:
        self.calls.clear()
        self.secrets.values_served = 0
        self.queue.received_at.clear()
        self.service_times.clear()
        return {}


class _Connection(asyncio.Protocol):
    """One client's connection: a request, its answer, the next request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._held = b""
        self._waiter: Waiter | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's word
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._waiter is not None:
            self._account.queue.forget(self._waiter)

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = self._held[:end].split(b"\r\n")
        headers = dict(_header(line) for line in lines[1:])
        size = end + 4 + int(headers.get(b"content-length", b"0"))
        if len(self._held) < size:
            return
        body = self._held[end + 4 : size]
        self._held = self._held[size:]
        self._take(lines[0].split(b" ")[1].decode(), headers, body)

    def _take(self, path: str, headers: dict[bytes, bytes], body: bytes) -> None:
        if path.startswith("/admin/"):
            done = self._account.administrate(path.removeprefix("/admin/"), json.loads(body))
            self._send(HTTPStatus.OK, _JSON, json.dumps(done).encode())
            return
        target = headers.get(b"x-amz-target")
        if target is None:
            self._assume(urllib.parse.parse_qs(body.decode()))
            return
        operation = target.decode().rpartition(".")[2]
        self._account.calls[operation] += 1
        asked = json.loads(body)
        if operation == "ReceiveMessage":
            self._waiter = self._account.queue.receive(asked, self._received)
            return
        status, answer = self._operate(operation, asked)
        note = operation if operation.endswith("GetSecretValue") else ""
        self._later(status, _JSON, json.dumps(answer).encode(), note)

    def _operate(self, operation: str, asked: Row) -> tuple[int, Row]:
        act = self._account.operations.get(operation)
        if act is None:
            return HTTPStatus.BAD_REQUEST, {"__type": "UnknownOperationException"}
        try:
            return HTTPStatus.OK, act(asked)
        except RefusedError as error:
            return HTTPStatus.BAD_REQUEST, {"__type": error.code, "message": str(error)}

    def _received(self, answer: Row) -> None:
        self._waiter = None
        self._send(HTTPStatus.OK, _JSON, json.dumps(answer).encode())

    def _assume(self, form: dict[str, list[str]]) -> None:
        self._account.calls[form["Action"][0]] += 1
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _HOUR))
        text = _ASSUMED.format(arn=form["RoleArn"][0], until=until)
        self._later(HTTPStatus.OK, b"text/xml", text.encode())

    def _later(self, status: int, kind: bytes, body: bytes, read: str = "") -> None:
        began = time.monotonic()

        def send() -> None:
            self._send(status, kind, body)
            if read:
                self._account.service_times.append(time.monotonic() - began)

        if self._account.latency:
            self._account.loop.call_later(self._account.latency, send)
        else:
            send()

    def _send(self, status: int, kind: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(_HEAD % (status, _REASONS[status], kind, len(body)) + body)


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.lower(), value.strip()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    account = Account(loop)
    server = await loop.create_server(lambda: _Connection(account), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
