"""How many writes the API server has answered, by its own metrics.

Feeds the scenarios in which nothing should be written.
"""

from __future__ import annotations

import re

from bench.keptclient import KeptClient

_WRITES = {"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"}
# The bench's own: it makes a token for each half that it starts.
_NOT_COUNTED = {"leases", "serviceaccounts"}
_SAMPLE = re.compile(r"apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>[0-9.e+]+)")


def writes(client: KeptClient) -> float:
    """All writes that the API server ever answered, of whomever; leases apart."""
    total = 0.0
    for sample in _SAMPLE.finditer(client.text("/metrics")):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        if labels["verb"] in _WRITES and labels["resource"] not in _NOT_COUNTED:
            total += float(sample["count"])
    return total
