"""The calls of Hark: the way of the events, one read for each changed version, and the sweep.

Fed by hark.cost.estate; feeds hark.cost.compare. Held by a test to what an AWS double counted
(tests/bench/test_cost_counts.py). Where a count cannot be exact it is the most: every message
arrives alone and is deleted alone, although up to ten travel together.

Guarantees: what is free of charge is counted all the same. Left out, as for the peers: the first
read of each secret, logins, retries, and what failures cause.
"""

import math

from externalsecret.identity import Backend
from hark.cost.estate import Estate, Line, Terms
from hark.cost.peers import value_lines

_LONG_POLL = 20.0
"""Seconds of an empty receive of SQS and of an empty pull of Pub/Sub."""
_LIST_OF_SECRETS = 100
_LIST_OF_PARAMETERS = 50
_LIST_OF_KEY_VAULT = 25
_FEW_OF_KEY_VAULT = 10
"""So many are looked at one by one."""
_STORAGE_QUEUE_PAUSE = 5.0
_STORAGE_QUEUE_WAKE = 5
"""Looks that a message causes: the one that gets it, and those after it at shorter pauses."""
_EVENTS = {
    Backend.SECRETS_MANAGER: 2.0,
    Backend.PARAMETER_STORE: 1.0,
    Backend.GCP_SECRET_MANAGER: 1.0,
    Backend.KEY_VAULT: 1.0,
}
"""Of Secrets Manager the native event and, where a trail logs management events, CloudTrail's."""


def hark(estate: Estate, terms: Terms, *, shares_queue: bool = False) -> list[Line]:
    """What Hark asks for. `shares_queue`: another estate already pays for the empty receives."""
    return [
        *value_lines(estate.backend, estate.changes, terms),
        *_sweep(estate, terms),
        *_delivery(estate, terms, shares_queue=shares_queue),
    ]


def sweep_calls(backend: Backend, secrets: int) -> int:
    """Calls of one sweep of one lane that finds nothing."""
    if backend is Backend.SECRETS_MANAGER:
        return min(secrets, math.ceil(secrets / _LIST_OF_SECRETS))
    if backend is Backend.PARAMETER_STORE:
        return math.ceil(secrets / _LIST_OF_PARAMETERS)
    if backend is Backend.KEY_VAULT and secrets > _FEW_OF_KEY_VAULT:
        return math.ceil(secrets / _LIST_OF_KEY_VAULT)
    return secrets


_SWEEPS = {
    Backend.SECRETS_MANAGER: ("sweep: ListSecrets", "secretsmanager-call"),
    Backend.PARAMETER_STORE: ("sweep: DescribeParameters", "parameterstore-call"),
    Backend.GCP_SECRET_MANAGER: ("sweep: versions' metadata", "secretmanager-management"),
    Backend.KEY_VAULT: ("sweep: lists of properties", "keyvault-operation"),
    Backend.VAULT: ("sweep: metadata of paths", "vault-request"),
}


def _sweep(estate: Estate, terms: Terms) -> list[Line]:
    what, price = _SWEEPS[estate.backend]
    calls = terms.sweeps * sum(sweep_calls(estate.backend, lane) for lane in estate.lanes)
    lines = [Line(what, calls, price)]
    if estate.backend is Backend.PARAMETER_STORE:
        # Its event names no version: a look tells whether there is a new one.
        lines.append(Line("looks after an event", estate.changes, price))
    return lines


def _delivery(estate: Estate, terms: Terms, *, shares_queue: bool) -> list[Line]:
    if estate.backend is Backend.VAULT:
        looks = estate.secrets * terms.period / terms.vault_interval
        return [Line("listener: metadata of paths", looks, "vault-request")]
    each = terms.events_per_change
    events = estate.changes * (_EVENTS[estate.backend] if each is None else each)
    askers = 0 if shares_queue else terms.listeners * estate.queues
    if estate.backend is Backend.KEY_VAULT:
        return _storage_queue(events, askers * terms.period / _STORAGE_QUEUE_PAUSE)
    idle = askers * terms.period / _LONG_POLL
    if estate.backend is Backend.GCP_SECRET_MANAGER:
        return [
            Line("Pub/Sub: publishes", events, "pubsub-request"),
            Line("Pub/Sub: pulls with a message", events, "pubsub-request"),
            Line("Pub/Sub: empty pulls", idle, "pubsub-request"),
        ]
    return [
        Line("EventBridge: events", events, "eventbridge-event"),
        Line("SQS: sends by EventBridge", events, "sqs-request"),
        Line("SQS: receives of a message", events, "sqs-request"),
        Line("SQS: deletions", events, "sqs-request"),
        Line("SQS: empty receives", idle, "sqs-request"),
    ]


def _storage_queue(events: float, idle: float) -> list[Line]:
    return [
        Line("Event Grid: events in and out", 2 * events, "eventgrid-operation"),
        Line("queue: puts by Event Grid", events, "storagequeue-operation"),
        Line("queue: looks for a message", _STORAGE_QUEUE_WAKE * events, "storagequeue-operation"),
        Line("queue: deletions", events, "storagequeue-operation"),
        Line("queue: looks in vain", idle, "storagequeue-operation"),
    ]
