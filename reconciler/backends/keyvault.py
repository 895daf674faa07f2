"""Azure Key Vault, as reconciler.backends.contract wants it.

Fed by azureaccess (a client for one vault). A value costs one call, as the API has no call for
several; a few are made at the same time. The first call of a client is made alone, since the vault
answers it with a challenge and a token must be had. Versions are looked at by the list of a
secret's versions, 25 a page. A sweep asks for the list of the vault's secrets instead, 25 secrets a
call, which tells no versions but when each was last changed: only what changed since it was last
looked at is looked at again. What was changed within ten minutes of a look is not trusted to that
list, whose times are whole seconds.

Does not guarantee the newest: after a write a replica may answer with the version before. Where
`list` is not permitted: CannotLook.

Azure facts: "Get Secret", "Get Secrets" and "Get Secret Versions" in the Key Vault REST reference.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar, cast

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.reference import Reference
from reconciler.backends import keyvaultrows, reasons
from reconciler.backends.asking import Denial, at_once, each
from reconciler.backends.azureaccess import AzureAccess
from reconciler.backends.azureerrors import translated
from reconciler.backends.contract import CannotLook, Look, Read, Value
from reconciler.backends.keyvaultrows import Row, Stamp

_BATCH = 32
_AT_ONCE = 8
_FEW = 10
"""As many secrets are looked at one by one while nobody knows how long the list is."""
_SETTLED_SECONDS = 600.0

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


class KeyVault:
    """The secrets of one vault."""

    batch_size = _BATCH

    def __init__(
        self,
        access: AzureAccess,
        vault: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._vault = vault
        self._now = now
        self._list_denied = Denial(clock)
        self._pages: int | None = None
        self._remembered: dict[str, tuple[Stamp, Sequence[Row]]] = {}

    def read(self, references: Sequence[Reference]) -> Mapping[str, Read]:
        """The values; see the contract. Never raises HarkError."""
        found = self._ask({_wanted(one): one for one in references}, self._read)
        return {one.entry: found[_wanted(one)] for one in references}

    def look(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """The versions, one call for each secret and 25 of its versions; see the contract."""
        return self._judged(references, self._ask(_by_name(references), self._versions))

    def sweep(self, references: Sequence[Reference]) -> Mapping[str, Look]:
        """As `look`, but only for what the list of secrets does not show to be unchanged."""
        # Of an older version the list tells nothing.
        pinned = [one for one in references if one.selector.is_pinned()]
        newest = [one for one in references if not one.selector.is_pinned()]
        by_name = _by_name(newest)
        stamps = self._listed(by_name.keys())
        known = self._unchanged(stamps, by_name.keys())
        open_names = {name: one for name, one in by_name.items() if name not in known}
        looked = self._ask(open_names, self._versions)
        self._remember(stamps, looked)
        return {**self._judged(newest, {**known, **looked}), **self.look(pinned)}

    def close(self) -> None:
        """Let go of connections; the credential is everybody's."""
        self._access.forget(self._vault)

    def _ask(
        self, questions: Mapping[str, _Question], ask: Callable[[_Question], _Answer]
    ) -> dict[str, _Answer | HarkError]:
        """Each a call of its own: the first of a client alone, then a few at the same time."""
        met: dict[str, _Answer | HarkError] = {}
        try:
            client = self._access.vault(self._vault)
        except HarkError as error:
            return dict.fromkeys(questions, error)
        if not client.is_met:
            with client.meeting:
                if not client.is_met:
                    met = each(dict(list(questions.items())[:1]), ask)
                    client.is_met = bool(met) and _barrier(met) is None
        rest = {name: question for name, question in questions.items() if name not in met}
        barrier = _barrier(met)
        if barrier is not None:
            return {**met, **dict.fromkeys(rest, barrier)}
        return {**met, **at_once(rest, ask, _AT_ONCE)}

    def _read(self, reference: Reference) -> Value:
        client = self._access.vault(self._vault)
        selector = reference.selector
        with translated(client.target(reference.key)):
            secret = client.get(reference.key, selector.value if selector.is_pinned() else "")
        return keyvaultrows.value_of(secret, reference.key, self._now())

    def _versions(self, reference: Reference) -> Sequence[Row]:
        client = self._access.vault(self._vault)
        with translated(client.target(reference.key)):
            pages = list(client.versions(reference.key))
        rows = (keyvaultrows.row_of(one) for page in pages for one in page)
        return [row for row in rows if row is not None]

    def _judged(
        self, references: Sequence[Reference], rows: Mapping[str, Sequence[Row] | HarkError]
    ) -> dict[str, Look]:
        now = self._now()
        return {one.entry: _judge(one, rows[one.key.lower()], now) for one in references}

    def _listed(self, names: Collection[str]) -> Mapping[str, Stamp] | Retry:
        """The stamps of these secrets as far as the list is worth its calls."""
        expected = _FEW if self._pages is None else self._pages
        if len(names) <= expected or self._list_denied.holds():
            return {}
        found = self._ask({"": names}, self._list)[""]
        if isinstance(found, GiveUp):
            if found.reason == reasons.DENIED:
                self._list_denied.remember()
            return {}
        return found if isinstance(found, Retry) else cast("dict[str, Stamp]", found)

    def _list(self, names: Collection[str]) -> dict[str, Stamp]:
        client = self._access.vault(self._vault)
        found: dict[str, Stamp] = {}
        with translated(client.target()):
            for number, page in enumerate(client.secrets(), start=1):
                stamps = keyvaultrows.stamps_of(page)
                found |= {name: stamps[name] for name in stamps.keys() & set(names)}
                self._pages = number
                if len(found) == len(names):
                    break
                if number == len(names):
                    # From here on the list costs more than it saves; the next sweep knows.
                    self._pages = number + 1
                    break
        return found

    def _unchanged(
        self, stamps: Mapping[str, Stamp] | Retry, names: Collection[str]
    ) -> dict[str, Sequence[Row] | HarkError]:
        if isinstance(stamps, Retry):
            return dict.fromkeys(names, stamps)
        known = self._remembered
        return {
            name: known[name][1]
            for name, stamp in stamps.items()
            if name in known and known[name][0] == stamp
        }

    def _remember(
        self,
        stamps: Mapping[str, Stamp] | Retry,
        looked: Mapping[str, Sequence[Row] | HarkError],
    ) -> None:
        """Keep what list and look agree on, so that neither was an old answer."""
        settled = self._now() - _SETTLED_SECONDS
        seen = agreed = 0
        for name, rows in looked.items():
            self._remembered.pop(name, None)
            stamp = None if isinstance(stamps, Retry) else stamps.get(name)
            if stamp is None or isinstance(rows, HarkError) or not 0 < stamp.updated < settled:
                continue
            seen += 1
            if stamp == keyvaultrows.newest_stamp(rows):
                agreed += 1
                self._remembered[name] = (stamp, rows)
        if seen and not agreed and not self._remembered:
            # A list that tells of something else than the newest version only costs.
            self._list_denied.remember()


def _wanted(reference: Reference) -> str:
    return f"{reference.key.lower()}#{reference.selector.value}"


def _by_name(references: Sequence[Reference]) -> dict[str, Reference]:
    return {one.key.lower(): one for one in references}


def _barrier(answers: Mapping[str, object]) -> HarkError | None:
    """What stands in the way of all, not of one secret."""
    for answer in answers.values():
        if isinstance(answer, HarkError) and answer.reason in reasons.OF_THE_IDENTITY:
            return answer
    return None


def _judge(reference: Reference, rows: Sequence[Row] | HarkError, now: float) -> Look:
    if not isinstance(rows, HarkError):
        subject = f"the secret {reference.key}"
        return keyvaultrows.versions_of(rows, reference.selector, subject, now)
    return CannotLook(rows.message) if rows.reason == reasons.DENIED else rows
