"""Many forged tokens of a ServiceAccount that may call, and its own among them."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from listener.webhook.proof import NotProven, Shown
from listener.webhook.serviceaccount import ServiceAccounts

USER = "system:serviceaccount:ci:deployer"
_CLAIMS = base64.urlsafe_b64encode(json.dumps({"sub": USER}).encode()).rstrip(b"=").decode()


class Judge:
    """An API server that takes one token at once, and the others when it is `released`."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.forged = threading.Semaphore(0)
        """One for each forged token that was shown."""
        self.good = 0

    def request(self, _method: str, _path: str, *, body: Any = None) -> Any:
        if body["spec"]["token"].endswith(".good"):
            self.good += 1
            user = {"username": USER}
            return {"status": {"authenticated": True, "audiences": ["hark"], "user": user}}
        self.forged.release()
        assert self.released.wait(60)
        return {"status": {}}


class Desk:
    def __init__(self) -> None:
        self.judge = Judge()
        self.seconds = 0.0
        self._accounts = ServiceAccounts(
            self.judge, "hark", lambda name: name == "ci/deployer", lambda: self.seconds
        )

    def caller(self, signature: str) -> str:
        return self._accounts.caller(Shown(f"head.{_CLAIMS}.{signature}", ""))

    def forge(self, signature: str) -> None:
        with pytest.raises(NotProven):
            self.caller(signature)


def test_forged_tokens_do_not_push_out_what_is_known_of_a_good_one() -> None:
    desk = Desk()
    desk.judge.released.set()
    assert desk.caller("good") == "ci/deployer"
    for number in range(1_001):
        desk.forge(str(number))
    assert desk.caller("good") == "ci/deployer"
    assert desk.judge.good == 1


def test_who_was_good_a_moment_ago_does_not_wait_for_forged_ones() -> None:
    desk = Desk()
    desk.caller("good")
    desk.seconds += 11
    with ThreadPoolExecutor(4) as pool:
        floods = [pool.submit(desk.forge, str(number)) for number in range(4)]
        for _ in floods:
            assert desk.judge.forged.acquire(timeout=60)
        try:
            assert desk.caller("good") == "ci/deployer"
        finally:
            desk.judge.released.set()
        for flood in floods:
            flood.result()
    assert desk.judge.good == 2
