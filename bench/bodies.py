"""Bodies of requests as large as those of the product, for the unit and the floor."""

from __future__ import annotations

import json

from bench.witness import ENTRY


def note(entry: str, number: int) -> bytes:
    """The body of a note, as large as the listener's."""
    heard = {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "version": f"00000000-0000-0000-0001-{number:012}",
        "at": "2026-01-01T00:00:00Z",
        "via": "sqs",
    }
    return json.dumps({"status": {"keys": {entry: {"heard": heard}}}}).encode()


def ledger(entry: str, number: int) -> bytes:
    """As large as what the reconciler writes after a change."""
    synced = {
        "note": f"00000000-0000-0000-0000-{number:012}",
        "version": f"00000000-0000-0000-0001-{number:012}",
        "at": "2026-01-01T00:00:00.000Z",
        "via": "sqs",
        "resource": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:floor-000000",
        "feeds": [ENTRY],
        "fingerprint": "0" * 64,
    }
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Synced",
        "message": "The Secret holds what was last heard of 1 backend key.",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00.000Z",
    }
    status = {
        "keys": {entry: {"synced": synced}},
        "secret": {"uid": f"00000000-0000-0000-0002-{number:012}", "resourceVersion": str(number)},
        "conditions": [condition],
        "observedGeneration": 1,
        "status": "SUCCESS",
        "lastSync": "2026-01-01T00:00:00.000Z",
        "uid": "00000000-0000-0000-0003-000000000000",
    }
    return json.dumps({"status": status}).encode()
