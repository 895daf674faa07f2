"""How fast the double of AWS is, so that nobody measures it in place of the product.

Feeds the floor with rows: a few plain clients that read values as fast as they can, by the twenty
as Hark does, and one by one.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from bench.aws import Aws
from bench.figures import Row

_THREADS = 4
_CALLS = 100
_BATCH = 20
_LEAST = 3000.0


def measure() -> list[Row]:
    """Seconds for a thousand values, of which less is better."""
    names = [f"s{number}" for number in range(_BATCH)]
    with Aws() as aws:
        aws.set_latency(0.0)
        aws.create(dict.fromkeys(names, "x" * 100))
        batched = _reads_a_second(aws, "BatchGetSecretValue", {"SecretIdList": names}, _BATCH)
        single = _reads_a_second(aws, "GetSecretValue", {"SecretId": names[0]}, 1)
    return [
        Row("double of AWS", "1,000 value reads, one a call", 1000 / single, "s", 1000 / _LEAST),
        Row("double of AWS", "1,000 value reads, 20 a call", 1000 / batched, "s"),
    ]


def _reads_a_second(aws: Aws, operation: str, asked: dict[str, Any], values: int) -> float:
    body = json.dumps(asked).encode()

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=60)
        headers = {"X-Amz-Target": f"secretsmanager.{operation}"}
        for _ in range(_CALLS):
            connection.request("POST", "/", body, headers)
            connection.getresponse().read()
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(_THREADS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _THREADS * _CALLS * values / (time.monotonic() - began)
