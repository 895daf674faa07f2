"""A double of AWS that is fast and counts: Secrets Manager, Parameter Store, STS and SQS.

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
from http import HTTPStatus
from typing import Any

from bench.awsaccount import Account
from bench.awsfaults import THROTTLED, access_key
from bench.awsqueue import Waiter
from bench.awssecrets import RefusedError

Row = dict[str, Any]

_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found"}
_HEAD = (
    b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
    b"x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\n\r\n"
)
_JSON = b"application/x-amz-json-1.1"
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROA:bench</AssumedRoleId><Arn>{arn}</Arn>
</AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>
<SecretAccessKey>none</SecretAccessKey><SessionToken>none</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleResult>
<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></AssumeRoleResponse>"""
_HOUR = 3600.0


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
        if self._account.faults.refuses(operation):
            self._later(HTTPStatus.BAD_REQUEST, _JSON, json.dumps(THROTTLED).encode())
            return
        status, answer = self._operate(operation, asked)
        note = operation if operation.endswith("GetSecretValue") else ""
        signed = headers.get(b"authorization", b"").decode()
        slow = self._account.faults.delay(operation, signed)
        self._later(status, _JSON, json.dumps(answer).encode(), note, slow)

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
        arn = form["RoleArn"][0]
        text = _ASSUMED.format(arn=arn, key=access_key(arn), until=until)
        self._later(HTTPStatus.OK, b"text/xml", text.encode())

    def _later(
        self, status: int, kind: bytes, body: bytes, read: str = "", slow: float = 0.0
    ) -> None:
        began = time.monotonic()

        def send() -> None:
            self._send(status, kind, body)
            if read:
                self._account.service_times.append(time.monotonic() - began)

        if self._account.latency + slow:
            self._account.loop.call_later(self._account.latency + slow, send)
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
