"""The last act: gathers what the witnesses counted, and shows the account.

Fed by the stage's wires, processes and cluster; feeds the screen. What the numbers must be, and
what they cost, is in hark.demo.account.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping

from hark.demo import account, sight
from hark.demo.guest import NAMESPACES
from hark.demo.outcome import expect
from hark.demo.screen import Screen
from hark.demo.stage import HALVES, TENANT, Stage
from testbed.installation import Half

_LOOKS = ("DescribeSecret", "ListSecrets", "ListSecretVersionIds")
_VALUE_READS = ("GetSecretValue", "BatchGetSecretValue")

Seen = Mapping[Half, Counter[str]]


def settle(stage: Stage, screen: Screen, told_before: int, seconds: float) -> None:
    """Show and check the account of `seconds`; `told_before` are the reads of the dead process."""
    told = (told_before, sight.value_reads_told(stage.processes["reconciler"][-1]))
    reads = account.Reads(told, stage.value_reads(), len(stage.cloud.planted))
    account.check(reads)
    screen.say(
        f"{reads.versions} versions, {reads.on_the_wire} value reads: the metrics of the two "
        f"reconcilers tell of {told[0]} + {told[1]}, and the wire to AWS saw {reads.on_the_wire}. "
        "The listener made none of them. All calls on that wire:"
    )
    seen = {
        half: Counter(entry.head.aws_operation for entry in stage.wires[half].log)
        for half in HALVES
    }
    screen.table([("", "calls"), *_lines(seen)])
    heard = [operation for operation in _VALUE_READS if seen["listener"][operation]]
    expect(not heard, f"The listener made calls that read values: {heard}.")
    calls = account.Calls(
        queue=seen["listener"].total(),
        looks=sum(seen["reconciler"][operation] for operation in _LOOKS),
    )
    screen.say("What that costs:")
    screen.table(account.table(reads, calls, seconds, account.PRICES))
    for sentence in (account.scale(account.PRICES), *account.terms(account.PRICES)):
        screen.say(sentence)
    _search(stage)
    screen.say(
        "Every value was looked for in the logs of all three processes, the metrics of the two "
        "that run, the ExternalSecret and the Events: it is nowhere."
    )


def forms(value: Mapping[str, str]) -> Iterator[str]:
    """How a value may look where it leaks."""
    for text in value.values():
        yield text
        yield base64.b64encode(text.encode()).decode()


def _lines(seen: Seen) -> Iterator[tuple[str, str]]:
    for half, operations in seen.items():
        for operation, count in sorted(operations.items()):
            yield (f"{half}: {operation}", str(count))


def _search(stage: Stage) -> None:
    """Unexpected if a value stands where none may."""
    texts = {
        "the ExternalSecret": json.dumps(sight.external_secret(stage)),
        "an Event": json.dumps(stage.guest.find(f"{NAMESPACES}/{TENANT}/events")),
    }
    for half in HALVES:
        texts[f"the metrics of the {half}"] = stage.processes[half][-1].get("/metrics")[1]
        texts[f"the log of the {half}"] = "".join(each.text() for each in stage.processes[half])
    for place, text in texts.items():
        for value in stage.cloud.planted:
            expect(not any(form in text for form in forms(value)), f"A value is in {place}.")
