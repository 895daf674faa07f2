"""Trouble: what the failures of notes say together: that the API server is away, or one object.

Fed by listener.notes with what became of each attempt, under its lock; tells it how long all wait,
and when one object is not worth holding messages for any longer.

Guarantees: an answer about one object ends an outage, whatever else it says. An object that fails
is given up after a minute, but not while objects of several namespaces fail and nothing is written:
then the trouble is nobody's own, and to hand messages back would only wear out their deliveries.
"""

import random
from http import HTTPStatus

from externalsecret.kubeapi import ApiRetry
from externalsecret.reflect import Key

AWAY = frozenset(
    {
        0,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""What speaks of the API server, 403 where it passes at all; other failures may be about one
object: an admission webhook that fails in one namespace is told as 500.
"""
_ALONE_SECONDS = 60.0
_LONGEST_WAIT = 10.0
_WAIT = 0.1
_WAIT_FOR_WATCH = 0.02
_LONGEST_ASKED = 60.0
_SEVERAL = 2


class Trouble:
    """What failed since something last worked. Times are those of the caller's clock, in seconds;
    threads share it only under the caller's lock.
    """

    def __init__(self) -> None:
        self.is_away = False
        """Whether the last answer, or the lack of it, spoke of the API server."""
        self.paused_until = 0.0
        self._outage = 0
        self._alone: dict[Key, float] = {}
        self._forbidden: set[Key] = set()
        self._worked_at = float("-inf")

    def worked(self, key: Key, now: float) -> None:
        """The API server took a note, or told that the object is gone."""
        self._answered()
        self._forbidden.clear()
        self._alone.pop(key, None)
        self._worked_at = now

    def refused(self, key: Key, status: int) -> None:
        """The note of one object was refused."""
        self._answered()
        if status != HTTPStatus.FORBIDDEN:
            self._forbidden.clear()
        self._alone.pop(key, None)

    def is_widely_forbidden(self, key: Key) -> bool:
        """Told of a 403: whether several objects got one, and nothing else came in between."""
        self._forbidden.add(key)
        return len(self._forbidden) >= _SEVERAL

    def away(self, error: ApiRetry, now: float) -> None:
        """The API server is away: all wait."""
        self.is_away = True
        self._alone.clear()
        # Several workers notice one outage at the same time.
        if self.paused_until <= now:
            self._outage += 1
            self.paused_until = now + delay(error, self._outage)

    def failed(self, key: Key, error: ApiRetry | None, now: float) -> bool:
        """One object failed, by a fault of ours if `error` is None; whether to give it up."""
        if error is not None:
            self._answered()
            self._forbidden.clear()
        since = self._alone.setdefault(key, now)
        if now - since <= _ALONE_SECONDS:
            return False
        is_wide = any(namespace != key[0] for namespace, _ in self._alone)
        if is_wide and self._worked_at < since:
            return False
        del self._alone[key]
        return True

    def _answered(self) -> None:
        self.is_away = False
        self._outage = 0


def delay(error: ApiRetry | None, failures: int) -> float:
    """Seconds until the next attempt, with jitter; never less than was asked for, up to a minute:
    a typing error in a proxy must not silence the listener.
    """
    if error is not None and error.after:
        after: float = error.after
        jitter = random.uniform(1.0, 1.2)  # noqa: S311 - jitter needs no secrecy
        return min(_LONGEST_ASKED, after * jitter)
    is_overtaken = error is not None and error.status == HTTPStatus.CONFLICT
    shortest = _WAIT_FOR_WATCH if is_overtaken else _WAIT
    longest = min(_LONGEST_WAIT, shortest * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter needs no secrecy
