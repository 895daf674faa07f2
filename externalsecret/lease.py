"""Who works: one replica of a half, by a Lease of coordination.k8s.io.

Fed by the Lease in the API server, which every replica tries to take or renew; feeds whatever is
one replica's alone, which asks `is_leader` before each step: every writer of the reconciler, and
the listener's looks at Vault. The Lease may carry what the next holder has to know (a Record in its
annotations), such as when was last swept.

Guarantees: a leader that could not renew knows so by its own clock, even while a request hangs,
five seconds before another may take over; the time that another wrote is never compared with a
clock here: a Lease is free when it was not seen to change for its duration. Does not guarantee
fencing: a write that was sent while we led may arrive after another one leads. Those of both
halves are such that this does no harm for long: both write what they read, and the next evaluation
mends it.

Identities must differ between replicas that run at the same time; one that is restarted under its
old identity continues at once. Give it a KubeApi whose requests time out well within the renew
deadline.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from externalsecret.errors import HarkError
from externalsecret.kubeapi import ApiRefusal, ApiRetry, KubeApi

_NOT_AS_WE_LEFT_IT = {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timing:
    """In seconds. The renew deadline must be well below the duration."""

    duration: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0


class Record(Protocol):
    """What is handed on with the Lease, in annotations."""

    def learn(self, annotations: Mapping[str, Any]) -> None:
        """Take over what another process wrote."""

    def annotations(self) -> dict[str, str]:
        """For the next process to learn."""


class NoRecord:
    """Nothing is handed on. Implements Record."""

    def learn(self, annotations: Mapping[str, Any]) -> None:
        """Learn nothing."""

    def annotations(self) -> dict[str, str]:
        return {}


def micro_time(epoch: float) -> str:
    """Seconds since 1970 as Kubernetes writes times in Leases."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def since_boot() -> float:
    """Seconds by a clock that never steps and, unlike time.monotonic, counts a suspended machine's
    time: others do not sleep with us.
    """
    # Only Linux has it; elsewhere a developer's machine may sleep through its lease.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """One replica's part in the election."""

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        identity: str,
        *,
        name: str,
        record: Record | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = since_boot,
        now: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`clock` never steps; `now` is the time of day in seconds since 1970, shown to others.

        `record` is read whenever the Lease is, and written with each renewal.
        """
        self._api = api
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._clock = clock
        self._now = now
        self._jitter = jitter
        self._leads_until = float("-inf")
        self._led = False
        self._ours: Mapping[str, Any] | None = None
        """The Lease as our last write left it; None when that is not known."""
        self._seen: tuple[Any, ...] = ()
        self._seen_at = 0.0
        self._record = record or NoRecord()

    def is_leader(self) -> bool:
        """Whether a write may be sent now. Cheap; ask before each."""
        return self._clock() < self._leads_until

    def run(self, wait: Callable[[float], bool]) -> None:
        """Take and renew until `wait(seconds)`, an Event's, returns true; then release.

        For a thread of its own. End it after the last writer has ended, not before.
        """
        delay = 0.0
        while not wait(delay):
            self.step()
            delay = self._timing.retry * (1.0 + self._jitter() / 2.0)
        self.release()

    def step(self) -> None:
        """One try to take or renew. Failures are logged; the clock decides what they mean."""
        try:
            try:
                self._take_or_renew()
            except (ApiRetry, ApiRefusal) as error:
                if self._ours is None or error.status not in _NOT_AS_WE_LEFT_IT:
                    raise
                self._ours = None
                if error.status == HTTPStatus.NOT_FOUND:
                    # Anybody may make it anew.
                    self._leads_until = float("-inf")
                # Else somebody may have annotated it; only a look tells whether we still hold it,
                # and until then our own deadline counts.
                self._take_or_renew()
        except HarkError as error:
            # It may have had an effect nevertheless, so what we held is no longer known.
            self._ours = None
            log.warning("lease.failed", lease=self._name, error=str(error))
        self._say_changes()

    def release(self) -> None:
        """Lead no more, and let a follower take over at once instead of after the duration."""
        self._leads_until = float("-inf")
        self._say_changes()
        try:
            try:
                self._let_go(self._ours or self._read())
            except (ApiRetry, ApiRefusal) as error:
                if error.status not in _NOT_AS_WE_LEFT_IT:
                    raise
                self._let_go(self._read())
        except HarkError as error:
            log.warning("lease.release_failed", lease=self._name, error=str(error))
        self._ours = None

    def _let_go(self, lease: Mapping[str, Any] | None) -> None:
        if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
            self._write(lease, holder="")

    def _take_or_renew(self) -> None:
        lease = self._ours
        if lease is None:
            lease = self._read()
            if lease is not None and not self._is_free(lease):
                self._leads_until = float("-inf")
                return
        # From before the request: others count from when they saw its effect, which is later.
        started = self._clock()
        self._ours = self._write(lease, holder=self._identity)
        self._leads_until = started + self._timing.renew_deadline

    def _read(self) -> dict[str, Any] | None:
        try:
            lease = self._api.request("GET", f"{self._collection}/{self._name}")
        except ApiRefusal as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        lease["spec"] = lease.get("spec") or {}
        self._observe(lease)
        return lease

    def _observe(self, lease: Mapping[str, Any]) -> None:
        spec = lease["spec"]
        seen = (
            lease["metadata"].get("uid"),
            spec.get("holderIdentity"),
            spec.get("renewTime"),
            spec.get("leaseTransitions"),
        )
        if seen != self._seen:
            self._seen = seen
            self._seen_at = self._clock()
        self._record.learn(lease["metadata"].get("annotations") or {})

    def _is_free(self, lease: Mapping[str, Any]) -> bool:
        spec = lease["spec"]
        if spec.get("holderIdentity") in {None, "", self._identity}:
            return True
        duration = spec.get("leaseDurationSeconds") or self._timing.duration
        return self._clock() - self._seen_at > duration

    def _write(self, lease: Mapping[str, Any] | None, *, holder: str) -> Mapping[str, Any]:
        """Create it, or replace the very version that `lease` is; a conflict raises."""
        body = self._body(lease or {}, holder)
        if lease is None:
            return self._api.request("POST", self._collection, body=body)
        return self._api.request("PUT", f"{self._collection}/{self._name}", body=body)

    def _body(self, lease: Mapping[str, Any], holder: str) -> dict[str, Any]:
        spec = dict(lease.get("spec") or {})
        now = micro_time(self._now())
        if holder and spec.get("holderIdentity") != holder:
            transitions = spec.get("leaseTransitions") or 0
            spec["leaseTransitions"] = transitions + 1 if lease else 0
            spec["acquireTime"] = now
        spec["holderIdentity"] = holder
        spec["leaseDurationSeconds"] = self._timing.duration
        spec["renewTime"] = now
        metadata = {"name": self._name, **(lease.get("metadata") or {})}
        told = self._record.annotations()
        if told:
            metadata["annotations"] = {**(metadata.get("annotations") or {}), **told}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        }

    def _say_changes(self) -> None:
        leads = self.is_leader()
        if leads != self._led:
            self._led = leads
            said = "lease.taken" if leads else "lease.lost"
            log.info(said, lease=self._name, identity=self._identity)
