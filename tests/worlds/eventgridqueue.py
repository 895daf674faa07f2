"""A queue subscription of an Event Grid namespace, in the Azure double."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from listener.sources.contract import Delivery, Origin
from listener.sources.eventgrid import EventGridSource, open_event_grid
from listener.sources.subscriptionurl import SubscriptionUrl, parse_subscription_url
from reconciler.backends.azurecredential import SharedCredential, make_credential
from reconciler.backends.azurelogs import quieten
from reconciler.backends.azuresettings import AzureSettings
from testbed import entra, eventgrid
from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call, refusal
from worlds.sources import CANARY, EVERYTHING, Ability, Opening
from worlds.spine import unique

TOPIC = "secrets"
SUBSCRIPTION = "hark"
_AT = datetime(2026, 11, 23, 17, 21, 42, tzinfo=UTC)


class EventGridQueue:
    """Implements worlds.sources.SourceWorld."""

    # It hides what is put off, but for ten seconds at least: the double hurries.
    abilities = EVERYTHING - {Ability.HIDES}
    shortest_hold = 1.0
    shortest_delay = 10.0
    longest_wait = 1.0

    def __init__(self, azure: AzureDouble) -> None:
        """The environment must already lead the SDK to the double."""
        self.azure = azure
        azure.grid.longest_wait = self.longest_wait
        azure.grid.delay_unit = 0.05
        self.namespace = unique("ns")
        self.credentials: Sequence[str] = [azure.entra.client_secret, azure.grid.key]
        self._opened: list[EventGridSource] = []

    @property
    def url(self) -> SubscriptionUrl:
        host = f"{self.namespace}.{eventgrid.SUFFIX}"
        return parse_subscription_url(f"https://{host}/topics/{TOPIC}/subscriptions/{SUBSCRIPTION}")

    def prepare(self, hold: float) -> None:
        self.subscription = self.azure.grid.create(self.namespace, TOPIC, SUBSCRIPTION)
        self.subscription.lock_seconds = hold

    def credential(self) -> SharedCredential:
        quieten()
        settings = AzureSettings(
            tenant_id=entra.TENANT,
            client_id=entra.CLIENT,
            client_secret=self.azure.entra.client_secret,
        )
        return SharedCredential(make_credential(settings))

    def open(self) -> EventGridSource:
        source = open_event_grid(self.url, self.credential(), wait_seconds=10)
        self._opened.append(source)
        return source

    def put(self, *names: str) -> None:
        self.subscription.put(*map(_event, names))

    def name_of(self, delivery: Delivery) -> str:
        name: str = json.loads(delivery.body)["id"]
        return name

    def check(self, delivery: Delivery, name: str) -> None:
        assert json.loads(delivery.body) == _event(name)
        assert not delivery.attributes
        assert delivery.origin == Origin()
        assert delivery.sent_at == 0, "the event's own time is not the queue's"

    def spoiled(self, delivery: Delivery) -> Delivery:
        return replace(delivery, receipt="no such lock")

    def left(self) -> int:
        return self.subscription.undone()

    def buried(self) -> list[str]:
        return [event["id"] for event in self.subscription.dead]

    @contextmanager
    def away(self) -> Iterator[None]:
        with self._answering(refusal(503, "ServiceUnavailable", f"Not {CANARY}.")):
            yield

    @contextmanager
    def denied(self) -> Iterator[None]:
        with self._answering(refusal(403, "Forbidden", f"Not {CANARY}.")):
            yield

    def close(self) -> None:
        for source in self._opened:
            source.close()

    @contextmanager
    def _answering(self, answer: Answer) -> Iterator[None]:
        def reply(call: Call) -> Answer | None:
            return answer if call.vault == self.namespace else None

        end = self.azure.when(reply)
        try:
            yield
        finally:
            end()


def event_grid_queue(request: pytest.FixtureRequest) -> Opening:
    """The subscription in an Azure of the test's own."""
    world = EventGridQueue(request.getfixturevalue("azure"))
    yield world
    world.close()


def new_version(vault: str, name: str, version: str, event_id: str) -> dict[str, Any]:
    """The event of a new version as a key vault's system topic forwards it to a namespace."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/team/"
        f"providers/Microsoft.KeyVault/vaults/{vault}",
        "subject": name,
        "type": "Microsoft.KeyVault.SecretNewVersionCreated",
        "time": datetime.now(UTC).isoformat(),
        "data": {
            "Id": f"https://{vault}.vault.azure.net/secrets/{name}/{version}",
            "VaultName": vault,
            "ObjectType": "Secret",
            "ObjectName": name,
            "Version": version,
            "NBF": None,
            "EXP": None,
        },
    }


def _event(name: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/test",
        "type": "test",
        "time": _AT.isoformat(),
        "data": {"text": CANARY},
    }
