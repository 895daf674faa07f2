"""One schedule: a seed chooses who moves next, what changes in the world, and what goes wrong.

Assumptions, without which not even a perfect listener could promise anything: the listener's watch
is never further behind than an event needs to travel, and an announced change stays announced (the
queue loses nothing). Changes that nobody announces are left to the sweep, so a schedule that has
such ends with one.
"""

import base64
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from typing import Any

from externalsecret.kubeapi import GROUP_PATH, MERGE_PATCH
from externalsecret.ledger import is_covered
from externalsecret.manifest import Manifest, read_manifest
from externalsecret.resource import (
    MANAGED_LABEL,
    REFRESH_ANNOTATION,
    ExternalSecret,
    read_resource,
)
from fakes.guards import open_guard
from fakes.kubeapi import FakeKubeApi
from reconciler.live import read_live
from simulation.cloud import BLUE, CURRENT, DOCUMENT, SECRETS, Accounts, Message, Queue, Secrets
from simulation.faults import Broken, Crash, Dice, UnreliableApi
from simulation.halves import ALL, DEFAULTS, Clock, ListenerHalf, ReconcilerHalf, all_of

_ROLES = {"first": "", "second": "", "other": "arn:aws:iam::123456789012:role/other"}
_ITEMS: tuple[dict[str, Any], ...] = (
    {"key": "one", "name": "a"},
    {"key": "one", "name": "b"},
    {"key": "two", "name": "c"},
    {"key": "two", "name": "d", "versionStage": BLUE},
)
_TEMPLATES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"stringData": {"a": "over", "t": "text"}},
    {"stringData": {"t": "other"}, "data": {"n": "bm8=", "u": "dXA="}},
    {"stringData": {"t": ALL}, "metadata": {"labels": {"all": ALL}}},
    {"stringData": {"b": ALL}, "data": {"o": ALL}, "metadata": {"annotations": {"x": "y"}}},
)
_CHAOS_PER_STEP = 0.12
_Place = tuple[str, int, str]


class World:
    """Cluster, cloud and both halves, and what must hold for them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - schedules, no secrets
        self._is_announced_always = self.rng.random() < 0.7
        """Otherwise some changes are silent, and the schedule ends with a sweep."""
        crashes = self.rng.random() < 0.7
        self._may_be_stale = self.rng.random() < 0.4
        self._crashes: Counter[str] = Counter()
        self._sweeps = 0
        self._introduced: Counter[tuple[str, str]] = Counter()
        """How often a spec began to read a secret by a label."""
        self._asked: Counter[tuple[str, str]] = Counter()
        """How often somebody asked for a new read."""
        self.clock = Clock()
        self.fake = FakeKubeApi()
        self.secrets = Secrets()
        self.accounts = Accounts(self.secrets, self.rng, self.rng.choice([0.0, 0.05, 0.2]))
        self.queue = Queue(self.rng, self._acked)
        rate = self.rng.choice([0.0, 0.03, 0.1, 0.3])
        self._dice = Dice(self.rng, rate, crashes=crashes)
        self._api = UnreliableApi(self.fake, self._dice, self._applied)
        self._notes: Counter[tuple[str, str]] = Counter()
        """How many notes were written for (uid, entry)."""
        self._was: dict[str, dict[str, str]] = {}
        self._names: dict[str, set[str]] = {}
        self._dropped: defaultdict[str, set[str]] = defaultdict(set)
        """The names that a spec once had and then had not: these may go, whenever it is noticed."""
        for name in SECRETS:
            self.secrets.put(name, self._members(name), (CURRENT, BLUE))
        for name in _ROLES:
            self._create(name)
        self.listeners = [self._new_listener() for _ in range(self.rng.choice([1, 1, 2]))]
        """Replicas, which share the queue."""
        self.reconciler = self._new_reconciler()
        self._crashes_too = crashes

    # The schedule.

    def run(self, steps: int) -> None:
        """Move at random, then let everything come to rest, and look whether all is well."""
        for _ in range(steps):
            if self.rng.random() < _CHAOS_PER_STEP:
                self.rng.choice(self._chaos())()
            else:
                self._guarded(self.rng.choice(self._steps()))
        self._come_to_rest()
        self._check_rest()
        before = self._reads()
        self._crash_listeners()
        self._crash_reconciler()
        self._drain()
        assert self._reads() == before, "a restart costs no value read"
        self._check_rest()

    def _come_to_rest(self) -> None:
        self._dice.rate = 0.0
        self.accounts.be_kind()
        for name in list(self.secrets.gone):
            self._put(name)
        for held in self.fake.request("GET", _LISTED)["items"]:
            self._suspend(held, wanted=False)
        self._drain()
        # A message that is delivered again late may leave a note that is looked at three times.
        for _ in range(6):
            # Longer than any backoff.
            self.clock.seconds += 1000.0
            self.queue.expire()
            self._drain()
            if not self._is_announced_always:
                self._sweep()
                self._drain()

    def _drain(self) -> None:
        for _ in range(2000):
            moved = sum(self._guarded(step) for step in self._steps())
            if not moved:
                return
        raise AssertionError("it never comes to rest")

    def _guarded(self, step: Callable[[], bool]) -> bool:
        # No two calls begin at the same instant.
        self.clock.seconds += 0.001
        try:
            return step()
        except Crash:
            self._crash_owner(step)
            return True

    def _steps(self) -> list[Callable[[], bool]]:
        heard = [step for listener in self.listeners for step in listener.steps()]
        return [*heard, *self.reconciler.steps()]

    def _crash_owner(self, step: Callable[[], bool]) -> None:
        for place, listener in enumerate(self.listeners):
            if step in listener.steps():
                self._crash_listener(place)
                return
        self._crash_reconciler()

    # What goes wrong, and what people do.

    def _chaos(self) -> list[Callable[[], None]]:
        crashes = [self._crash_some_listener, self._crash_reconciler] if self._crashes_too else []
        return [
            *crashes,
            self._advance,
            self._advance,
            self._change_secret,
            self._change_secret,
            self._change_secret,
            self._roll_back,
            self._roll_back,
            self._end_secret,
            self._edit_spec,
            self._suspend_or_resume,
            self._suspend_or_resume,
            self._refresh,
            self._replace_object,
            self._collect_garbage,
            self._spoil_secret,
            self.queue.duplicate,
            self.queue.expire,
            self._relist,
            self._sweep,
        ]

    def _crash_listener(self, place: int) -> None:
        self._crashes["listener"] += 1
        self.listeners[place] = self._new_listener()
        self.queue.expire()

    def _crash_some_listener(self) -> None:
        self._crash_listener(self.rng.randrange(len(self.listeners)))

    def _crash_listeners(self) -> None:
        for place in range(len(self.listeners)):
            self._crash_listener(place)

    def _crash_reconciler(self) -> None:
        assert not self.reconciler.faults()
        for es, manifest in self._objects():
            if es.refresh():
                # Nobody remembers what was read for it.
                self._asked.update(map(_slot, manifest.references))
        self._crashes["reconciler"] += 1
        self.reconciler = self._new_reconciler()

    def _new_listener(self) -> ListenerHalf:
        return ListenerHalf(self.fake, self._api, self.queue, self.clock)

    def _new_reconciler(self) -> ReconcilerHalf:
        return ReconcilerHalf(
            self.fake, self._api, self.accounts.of, open_guard(*_ROLES), self.clock, self.rng
        )

    def _advance(self) -> None:
        # A call that takes longer than an answer counts as fresh may be made twice.
        if not self.reconciler.flights.flying:
            self.clock.seconds += self.rng.choice([0.3, 1.0, 5.0, 20.0])

    def _sweep(self) -> None:
        self._sweeps += 1
        self.reconciler.sweeper.sweep()

    def _relist(self) -> None:
        listeners = [listener.feed for listener in self.listeners]
        feeds = [*listeners, self.reconciler.objects, self.reconciler.secrets]
        self.rng.choice(feeds).relist()

    def _members(self, name: str) -> dict[str, str] | None:
        if name != DOCUMENT:
            return None
        members = ["m", *self.rng.sample(["a", "n", "o"], self.rng.randint(0, 2))]
        return {member: member for member in members}

    def _change_secret(self) -> None:
        self._put(self.rng.choice(SECRETS))

    def _put(self, name: str) -> None:
        label = BLUE if name == "two" and self.rng.random() < 0.3 else CURRENT
        is_alone = self._may_be_stale and self._is_announced_always and self._is_quiet(name)
        version = self.secrets.put(name, self._members(name), [label])
        self.secrets.stale[name] = self.rng.randint(0, 2) if is_alone else 0
        self._announce(name, "value", version, label)

    def _is_quiet(self, name: str) -> bool:
        """Whether nothing is under way about a secret: a note in place of another one that no read
        has covered yet names no version, so nobody could tell a stale look.
        """
        if any(json.loads(one.body)["name"] == name for one in self.queue.messages.values()):
            return False
        return all(
            is_covered(es.ledger.entry(entry), manifest.fingerprint(entry))
            for es, manifest in self._objects()
            for entry, reference in manifest.references.items()
            if reference.key == name
        )

    def _roll_back(self) -> None:
        name = self.rng.choice(SECRETS)
        version = self.rng.choice(self.secrets.versions(name))
        if version != self.secrets.current[name, CURRENT] and name not in self.secrets.gone:
            self.secrets.move(name, CURRENT, version)
            self._announce(name, "value", version, CURRENT)

    def _end_secret(self) -> None:
        name = self.rng.choice(SECRETS)
        if self.rng.random() < 0.3 and name not in self.secrets.gone:
            self.secrets.end(name)
            self._announce(name, "gone", None, None)

    def _announce(self, name: str, change: str, version: str | None, label: str | None) -> None:
        if not self._is_announced_always and self.rng.random() < 0.3:
            return
        if not self._may_be_stale and self.rng.random() < 0.2:
            version = None
        at = datetime.fromtimestamp(int(self.clock.time()), UTC).isoformat()
        for number in range(1 + (self.rng.random() < 0.2)):
            told = {
                "id": f"{version or name}-{self.clock.seconds}-{number}-{self.rng.random()}",
                "name": name,
                "change": change,
                "version": version,
                "label": label,
                "at": at,
            }
            message = Message(json.dumps(told), self._now(), self._concerned(name, label))
            self.queue.send(message)

    def _concerned(self, name: str, label: str | None) -> dict[_Place, int]:
        return {
            (es.uid, es.generation, reference.entry): self._notes[es.uid, reference.entry]
            for es, manifest in self._objects()
            for reference in manifest.references.values()
            if reference.key == name and label in {None, reference.selector.value}
        }

    def _edit_spec(self) -> None:
        name = self.rng.choice(list(_ROLES))
        path = _path(name)
        held = self.fake.find(path)
        if held is not None:
            spec = self._spec(name)
            self.fake.request("PUT", path, body={**held, "spec": spec})
            if read_resource(held).refresh():
                self._asked.update(_slots(spec))

    def _suspend_or_resume(self) -> None:
        held = self.fake.find(_path(self.rng.choice(list(_ROLES))))
        if held is not None:
            self._suspend(held, wanted=not held["spec"].get("suspend"))

    def _suspend(self, held: Mapping[str, Any], *, wanted: bool) -> None:
        path = _path(held["metadata"]["name"])
        self.fake.request("PUT", path, body={**held, "spec": {**held["spec"], "suspend": wanted}})
        if read_resource(held).refresh():
            # As with any edit: the pass that was under way is over, and the next one asks anew.
            self._asked.update(_slots(held["spec"]))

    def _refresh(self) -> None:
        held = self.fake.find(_path(self.rng.choice(list(_ROLES))))
        if held is None:
            return
        self._asked.update(_slots(held["spec"]))
        annotations = {REFRESH_ANNOTATION: str(self.rng.random())}
        metadata = {**held["metadata"], "annotations": annotations}
        self.fake.request(
            "PUT", _path(held["metadata"]["name"]), body={**held, "metadata": metadata}
        )

    def _replace_object(self) -> None:
        name = self.rng.choice(list(_ROLES))
        held = self.fake.find(_path(name))
        if held is not None:
            self.fake.request("DELETE", _path(name))
        if held is None or self.rng.random() < 0.7:
            self._create(name)

    def _create(self, name: str) -> None:
        self.fake.request(
            "POST",
            f"{GROUP_PATH}/namespaces/{name}/externalsecrets",
            body={"metadata": {"name": name}, "spec": self._spec(name)},
        )

    def _spec(self, name: str) -> dict[str, Any]:
        items = [item for item in _ITEMS if self.rng.random() < 0.6] or [_ITEMS[0]]
        self.rng.shuffle(items)
        self._introduced.update((item["key"], item.get("versionStage", CURRENT)) for item in items)
        names = {str(item["name"]) for item in items}
        self._dropped[name] |= self._names.get(name, set()) - names
        self._names[name] = names
        documents = [DOCUMENT] if self.rng.random() < 0.5 else []
        self._introduced.update((document, CURRENT) for document in documents)
        # That an answer is stale tells only the announcement, which a new reader may have missed.
        self.secrets.stale.clear()
        return {
            "backendType": "secretsManager",
            "roleArn": _ROLES[name],
            "dataFrom": documents,
            "data": items,
            "template": self.rng.choice(_TEMPLATES),
        }

    def _collect_garbage(self) -> None:
        uids = {es.uid for es, _ in self._objects()}
        for secret in self.fake.request("GET", "/api/v1/secrets")["items"]:
            owners = secret["metadata"].get("ownerReferences") or []
            if owners and not any(owner["uid"] in uids for owner in owners):
                self._was.pop(secret["metadata"]["name"], None)
                self.fake.request("DELETE", _secret_path(secret["metadata"]["name"]))

    def _spoil_secret(self) -> None:
        name = self.rng.choice(list(_ROLES))
        held = self.fake.find(_secret_path(name))
        if held is None:
            return
        if self.rng.random() < 0.4 or not held.get("data"):
            self.fake.request("DELETE", _secret_path(name))
        else:
            entry = self.rng.choice(sorted(held["data"]))
            spoilt = self.rng.choice([None, "c3BvaWx0"])
            self.fake.request(
                "PATCH",
                _secret_path(name),
                query={"fieldManager": "kubectl-edit"},
                body={"data": {entry: spoilt}},
                content_type=MERGE_PATCH,
            )
        self._remember_secret(name)

    # What must hold.

    def _applied(self, _method: str, path: str, body: Mapping[str, Any]) -> None:
        """After each request of a half: no entry vanished, and which notes are there."""
        name = path.removesuffix("/status").rpartition("/")[2]
        if "/secrets" in path:
            name = path.split("/namespaces/")[1].partition("/")[0]
            before = self._was.get(name, {})
            after = self._remember_secret(name)
            held = self.fake.find(_path(name))
            if held is None:
                return
            wanted = {item["name"] for item in held["spec"]["data"]} - self._dropped[name]
            if (before.keys() - after.keys()) & wanted:
                raise Broken(f"an entry of {name} vanished")
            if not all(after.values()):
                raise Broken(f"an entry of {name} was emptied")
        else:
            held = self.fake.find(_path(name))
            uid = "" if held is None else held["metadata"]["uid"]
            keys = body.get("status", {}).get("keys", {})
            noted = [entry for entry, leaves in keys.items() if _is_note(leaves)]
            self._notes.update((uid, entry) for entry in noted)
            if held is not None and read_resource(held).refresh():
                # What was read for the refresh may be older than what the note tells of.
                self._asked.update(map(_slot, noted))

    def _remember_secret(self, name: str) -> dict[str, str]:
        held = self.fake.find(_secret_path(name)) or {}
        self._was[name] = held.get("data") or {}
        return self._was[name]

    def _acked(self, message: Message) -> None:
        """Whoever read the secret when it changed, and was not edited since, has the note or a
        later one.
        """
        told = json.loads(message.body)["id"]
        standing = {
            (es.uid, entry): leaves.heard.id
            for es, _ in self._objects()
            for entry, leaves in es.ledger.entries.items()
            if leaves.heard is not None
        }
        still = {
            (es.uid, es.generation, entry)
            for es, manifest in self._objects()
            for entry in manifest.references
        }
        for place in message.concerned.keys() & still:
            uid, _, entry = place
            is_later = self._notes[uid, entry] > message.concerned[place]
            is_noted = is_later or standing.get((uid, entry)) == told
            if not is_noted:
                raise Broken(f"acknowledged, but {place} has no note of it")

    def _check_rest(self) -> None:
        assert not self.queue.messages
        assert not self.reconciler.faults()
        for es, manifest in self._objects():
            wanted = self._wanted(manifest)
            assert self._data(es, wanted) == wanted, f"the Secret of {es.key} is old"
            assert not es.refresh(), f"the refresh of {es.key} was not served"
            self._check_labels(es, manifest)
            for entry in manifest.references:
                leaves = es.ledger.entry(entry)
                assert is_covered(leaves, manifest.fingerprint(entry)), f"{entry} of {es.key}"
        self._check_reads()

    def _check_reads(self) -> None:
        """One read for each version that was current; one more for each failed or stale answer,
        for each end of the process (its cache is gone), for each refresh and each note or end of
        the process that comes before it is served, and for each spec that begins to read it after a
        sweep (which lets the cache forget what nobody reads).
        """
        for account in self.accounts.open.values():
            for entry, reads in account.reads.items():
                slot = _slot(entry)
                excused = account.excused[entry] + self._crashes["reconciler"] + self._asked[slot]
                if self._sweeps:
                    excused += self._introduced[slot]
                most = self.secrets.transitions[slot] + excused
                assert reads <= most, f"{reads} reads of {entry}, at most {most} are justified"

    def _reads(self) -> int:
        return sum(account.reads.total() for account in self.accounts.open.values())

    def _objects(self) -> list[tuple[ExternalSecret, Manifest]]:
        found = [read_resource(obj) for obj in self.fake.request("GET", _LISTED)["items"]]
        return [(es, read_manifest(es.spec, DEFAULTS)) for es in found]

    def _data(self, es: ExternalSecret, wanted: Container[str]) -> dict[str, bytes]:
        """What the Secret holds, but for entries of somebody else's that the spec does not name."""
        held = self.fake.find(_secret_path(es.key[1]))
        if held is None:
            return {}
        owned = read_live(held).owned
        return {
            name: base64.b64decode(text)
            for name, text in (held.get("data") or {}).items()
            if name in wanted or name in owned
        }

    def _read(self, manifest: Manifest) -> dict[str, bytes]:
        """What the reads supply."""
        wanted: dict[str, bytes] = {}
        for item in manifest.items:
            reference = manifest.references[item.entry]
            version = self.secrets.current[reference.key, reference.selector.value]
            value = self.secrets.values[version]
            if item.name is not None:
                wanted[item.name] = value
            else:
                wanted |= {name: text.encode() for name, text in json.loads(value).items()}
        return wanted

    def _wanted(self, manifest: Manifest) -> dict[str, bytes]:
        """All entries that the Secret shall have."""
        read = self._read(manifest)
        every = all_of({name: value.decode() for name, value in read.items()})
        made = {
            part: {name: text.replace(ALL, every) for name, text in texts.items()}
            for part, texts in manifest.template.items()
            if part != "metadata"
        }
        plain = {name: base64.b64decode(text) for name, text in made.get("data", {}).items()}
        beats = {name: text.encode() for name, text in made.get("stringData", {}).items()}
        return {**plain, **read, **beats}

    def _check_labels(self, es: ExternalSecret, manifest: Manifest) -> None:
        read = {name: value.decode() for name, value in self._read(manifest).items()}
        held = self.fake.find(_secret_path(es.key[1])) or {}
        metadata = manifest.template.get("metadata", {})
        for part in ("labels", "annotations"):
            wanted = metadata.get(part, {})
            found = {
                name: text
                for name, text in held["metadata"].get(part, {}).items()
                if name != MANAGED_LABEL
            }
            assert found == {name: text.replace(ALL, all_of(read)) for name, text in wanted.items()}

    def _now(self) -> int:
        return int(self.fake.request("GET", _LISTED)["metadata"]["resourceVersion"])


_LISTED = f"{GROUP_PATH}/externalsecrets"


def _is_note(leaves: Mapping[str, Any] | None) -> bool:
    return leaves is not None and "heard" in leaves


def _slots(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(secret, label) of all that a spec reads."""
    return [_slot(entry) for entry in read_manifest(spec, DEFAULTS).references]


def _slot(entry: str) -> tuple[str, str]:
    """(secret, label) of a ledger key."""
    key, _, label = entry.rpartition("/")[2].partition("#")
    return (key, label)


def _path(name: str) -> str:
    return f"{GROUP_PATH}/namespaces/{name}/externalsecrets/{name}"


def _secret_path(name: str) -> str:
    return f"/api/v1/namespaces/{name}/secrets/{name}"
