"""No value leaks: canaries stand in every value, and are searched in all that the product says."""

import base64
import json
import secrets
from typing import Any

from worlds.spine import unique
from worlds.whole import DENIED, Whole


class Canaries:
    """Values that nobody could say by chance."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def new(self) -> str:
        # Long enough that its base64 form is in the base64 of whatever holds it.
        text = f"canary{secrets.token_hex(12)}"
        self._texts.append(text)
        return text

    def heard_in(self, text: str) -> list[str]:
        """Those that a text repeats, plainly or in any alignment of base64."""
        return [one for one in self._texts if any(form in text for form in _forms(one))]


def _forms(canary: str) -> list[str]:
    forms = [canary]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + canary.encode()).decode()
        forms.append(encoded[4:-4])
    return forms


def test_no_value_is_told_to_anybody(whole: Whole) -> None:
    canaries = Canaries()
    loud = {"LOG_LEVEL": "trace", "HARK_SWEEP_INTERVAL": "1s"}
    reconciler = whole.reconciler(environment=loud)
    listener = whole.listener(environment=loud)
    role = whole.role

    def start(kind: str, value: Any, **spec: Any) -> str:
        name = unique(kind)
        whole.create(name, value)
        item = {"key": name, "name": "entry", **spec.pop("item", {})}
        whole.apply(name, {"roleArn": role, "data": [item], **spec})
        return name

    password = {"item": {"property": "password"}}
    good = start("good", {"password": canaries.new()}, **password)
    denied = start("denied", canaries.new())
    typed = start("typed", canaries.new())
    held = start("held", canaries.new())
    binary = start("binary", canaries.new().encode())
    parameter = unique("parameter")
    whole.set_parameter(parameter, canaries.new(), "SecureString")
    item = {"key": parameter, "name": "entry"}
    whole.apply(parameter, {"backendType": "systemManager", "roleArn": role, "data": [item]})
    for name in (good, denied, typed, held, binary, parameter):
        whole.await_synced(name)

    broken = start("broken", '{"password": "' + canaries.new(), **password)
    lost = start("lost", {"other": canaries.new()}, **password)
    listed = start("listed", [canaries.new()], data=[], dataFrom=[])
    whole.edit(listed, {"spec": {"dataFrom": [listed]}})
    titled = start("titled", {f"https://u:{canaries.new()}@host": 1}, data=[])
    whole.edit(titled, {"spec": {"dataFrom": [titled]}})
    wrong = start("wrong", canaries.new(), type="kubernetes.io/tls")
    big = start("big", canaries.new() * 1500 + "\n", **password)
    whole.refuse(denied, DENIED)
    whole.change_and_announce(denied, canaries.new())
    whole.edit(typed, {"spec": {"type": "example.com/other"}})
    whole.change_and_announce(typed, canaries.new())
    _freeze(whole, held)
    whole.change_and_announce(held, canaries.new())
    whole.change_and_announce(binary, canaries.new().encode())
    whole.change(good, {"password": canaries.new()})
    whole.change_and_announce_parameter(parameter, canaries.new())
    _send(whole, f'{{"detail": "{canaries.new()}"}}')
    _send(whole, canaries.new())

    complaints = {
        broken: "BadValue",
        lost: "BadValue",
        listed: "BadValue",
        big: "BadValue",
        titled: "BadValue",
        denied: "Denied",
        typed: "TypeConflict",
        held: "SecretRefused",
        wrong: "SecretRefused",
    }
    for name, reason in complaints.items():
        whole.await_complaint(name, reason)
    for name in (good, binary, parameter):
        whole.await_synced(name)
    said = {
        "the reconciler's metrics": reconciler.get("/metrics")[1],
        "the listener's metrics": listener.get("/metrics")[1],
        "the ExternalSecrets": json.dumps(whole.everything("externalsecrets")),
        "the Events": json.dumps(whole.everything("events")),
    }
    for half, process in (("reconciler", reconciler), ("listener", listener)):
        # All that it has to say, what stands in a buffer included.
        assert process.terminate() == 0
        said[f"the {half}'s log"] = process.text()
    assert all(name in said["the reconciler's log"] for name in complaints)
    assert {place: canaries.heard_in(text) for place, text in said.items()} == {
        place: [] for place in said
    }
    assert canaries.heard_in(json.dumps(whole.everything("secrets")))


def _freeze(whole: Whole, name: str) -> None:
    whole.edit_secret(name, {"immutable": True})


def _send(whole: Whole, body: str) -> None:
    """A message that no rule would send."""
    whole.aws("sqs").send_message(QueueUrl=whole.queue, MessageBody=body)
