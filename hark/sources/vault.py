"""Vault as a source of changes, as the environment names it.

Fed by hark.environment; feeds hark.sources.catalogue. How Vault is reached is read by
reconciler.backends.vaultsettings from the same environment as in the reconciler; whom the listener
logs in as is its own affair, for it needs to read metadata and nothing else. What knows Vault's
logins and versions already, reconciler.backends, is handed over to the listener as arguments.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from externalsecret.dialect.vault import DEFAULT_MOUNT
from externalsecret.errors import GiveUp
from externalsecret.kubeevents import ObjectRef, Recorder
from externalsecret.lease import Lease
from externalsecret.reference import Identity
from externalsecret.reflect import Key
from hark.environment import Environment
from hark.sources.plan import Surroundings
from listener.messages import vault
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source

if TYPE_CHECKING:
    from listener.sources.vault import VaultSource
    from reconciler.backends.vaultaccess import VaultAccess
    from reconciler.backends.vaultsettings import VaultSettings

_NAME = "HARK_VAULT_SOURCE"
_POLL = "HARK_VAULT_POLL_INTERVAL"
_COMPARE = "HARK_VAULT_COMPARE_INTERVAL"
_ROLE = "HARK_VAULT_LISTENER_ROLE"
_LEASE = "hark-listener"
_API_VERSION = "kubernetes-client.io/v1"
_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_HOW = {"": "", "poll": "poll", "events": "events"}


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """The one Vault that VAULT_ADDR names. Implements hark.sources.plan.SourcePlan.

    Intervals in seconds.
    """

    interval: float
    compare: float
    hears_events: bool
    namespaces: tuple[str, ...]
    identity: Identity
    elects: bool

    @property
    def label(self) -> str:
        return "vault:metadata"

    def open(self, surroundings: Surroundings) -> Source:
        from hark.sources.vaulteyes import VaultEyes  # noqa: PLC0415 - the SDK, where it is used
        from listener.sources.vault import Pace, VaultSource  # noqa: PLC0415 - as above
        from listener.sources.vaultinbox import Inbox  # noqa: PLC0415 - as above
        from listener.sources.vaultpoll import VaultPoll  # noqa: PLC0415 - as above
        from reconciler.backends.vaultaccess import VaultAccess  # noqa: PLC0415 - as above
        from reconciler.backends.vaultsettings import vault_settings  # noqa: PLC0415 - as above

        settings = vault_settings(surroundings.environ)
        self._check(settings)
        access = VaultAccess(settings)
        eyes = VaultEyes(access, self.identity)
        poll = VaultPoll(eyes, surroundings.index, surroundings.metrics, _teller(surroundings))
        is_leader = self._elected(surroundings)
        pace = Pace(self.interval, self.compare)
        source = VaultSource(
            poll,
            eyes,
            Inbox(),
            pace,
            metrics=surroundings.metrics,
            is_leader=is_leader,
            base=settings.namespace,
        )
        if self.hears_events:
            self._hear_events(source, surroundings, settings, access, is_leader)
        return source

    def parse(self, delivery: Delivery) -> Meaning:
        told = delivery.attributes
        return vault.parse(delivery.body, told.get(vault.NAMESPACE, ""), told.get(vault.BASE, ""))

    def _check(self, settings: "VaultSettings") -> None:
        from reconciler.backends.vaultsettings import Method  # noqa: PLC0415 - as in `open`

        if settings.token or settings.method is Method.APPROLE or self.identity.vault_role:
            return
        raise GiveUp(
            f"The listener has no login to Vault: set {_ROLE} to a role that may read metadata, "
            "or let it log in as docs/sources/vault.md tells.",
            reason="InvalidSetting",
        )

    def _elected(self, surroundings: Surroundings) -> Callable[[], bool]:
        if not self.elects:
            return lambda: True
        lease = Lease(surroundings.api, surroundings.namespace, surroundings.identity, name=_LEASE)
        surroundings.spawn("lease", lambda: lease.run(surroundings.stop.wait))
        return lease.is_leader

    def _hear_events(
        self,
        source: "VaultSource",
        surroundings: Surroundings,
        settings: "VaultSettings",
        access: "VaultAccess",
        is_leader: Callable[[], bool],
    ) -> None:
        from hark.sources.vaulteyes import VaultDoor  # noqa: PLC0415 - as in `open`
        from listener.sources.vaultsocket import Ears, EventSocket  # noqa: PLC0415 - as in `open`

        door = VaultDoor(settings, access, self.identity)
        ears = Ears(source.hear, source.compare)
        below = ["", *self.namespaces]
        sockets = [
            EventSocket(
                door,
                "/".join(filter(None, (settings.namespace, name))),
                ears,
                metrics=surroundings.metrics,
                may_listen=is_leader,
                stop=surroundings.stop,
            )
            for name in below
        ]
        source.sockets = sockets
        for name, socket in zip(below, sockets, strict=True):
            surroundings.spawn(f"vault events {name}".rstrip(), socket.run)


def read_plans(read: Environment) -> tuple[VaultPlan, ...]:
    """One plan, or none. GiveUp (InvalidSetting) where a setting makes no sense."""
    how = read.choice(_NAME, _HOW) or ("poll" if read.given(_POLL) else "")
    mount = read.text("HARK_VAULT_LISTENER_MOUNT_POINT").strip("/") or DEFAULT_MOUNT
    namespaces = read.several("HARK_VAULT_EVENT_NAMESPACES")
    plan = VaultPlan(
        interval=read.duration(_POLL, read.text(_POLL), "1s", "1d", "30s"),
        compare=read.duration(_COMPARE, read.text(_COMPARE), "1s", "1d", "10m"),
        hears_events=how == "events",
        namespaces=tuple(name.strip("/") for name in namespaces),
        identity=Identity(vault_role=read.text(_ROLE), vault_mount=mount),
        elects=read.choice("HARK_LEADER_ELECTION", _SWITCH),
    )
    return (plan,) if how else ()


def _teller(surroundings: Surroundings) -> Callable[[Key, str, str], None]:
    """Says something in an Event on an ExternalSecret."""
    recorder = Recorder(surroundings.api, _LEASE, time.time)

    def tell(key: Key, reason: str, message: str) -> None:
        about = ObjectRef(*key, surroundings.index.uid(key), _API_VERSION, "ExternalSecret")
        recorder.record(about, "Warning", reason, message)

    return tell
