"""What happens in the story, act by act; the order is that of hark.demo.story.

Fed by the stage; feeds the screen with what came of it: names, lengths, versions and times, never a
value. Each act raises Unexpected where the outcome is not the one that the story tells.
"""

import base64
import time
from collections.abc import Mapping
from typing import Any

import yaml

from hark.demo import sight
from hark.demo.cloud import SECRET
from hark.demo.outcome import await_until, expect
from hark.demo.screen import Screen
from hark.demo.stage import EVENTS_TEMPLATE, HALVES, MANIFEST, SECRET_TEMPLATE, SYSTEM, Stage


def show_the_parts(stage: Stage, screen: Screen) -> None:
    """Make the two identities, and ask the API server what each may do."""
    screen.say(f"Kubernetes is at {stage.guest.server}, AWS (moto) at {stage.cloud.url}.")
    stage.install_rights()
    # The API server learns of a binding a moment after it was made.
    await_until(
        lambda: {half: sight.may_read_secrets(stage, half) for half in HALVES},
        lambda may: may == {"listener": False, "reconciler": True},
        "Not the reconciler alone may read Secrets.",
    )
    screen.say(
        f"The listener will run as {SYSTEM}/hark-listener, the reconciler as "
        f"{SYSTEM}/hark-reconciler, each with its rights of production. May it read Secrets? The "
        "API server says: the listener no, the reconciler yes."
    )


def deploy(stage: Stage, screen: Screen) -> None:
    """Deploy both templates, and look at what became of them."""
    cloud = stage.cloud
    outputs = cloud.deploy_events(EVENTS_TEMPLATE)
    rules = cloud.rules_into(outputs["QueueArn"])
    redrive = cloud.redrive(outputs["QueueUrl"])
    expect(bool(rules), "No rule sends to the queue.")
    expect("deadLetterTargetArn" in redrive, "The queue has no dead-letter queue.")
    stage.set_up_halves(outputs["QueueUrl"].split("/", 3)[3])
    screen.say(
        f"infra/aws/{EVENTS_TEMPLATE.name}: queue {outputs['QueueUrl'].rpartition('/')[2]}, "
        f"{len(rules)} EventBridge rules that send to it, a dead-letter queue after "
        f"{redrive['maxReceiveCount']} tries. moto takes the queue policy and the alarms and does "
        "nothing with them."
    )
    by_api = cloud.deploy_secret(SECRET_TEMPLATE)
    screen.say(f"infra/aws/{SECRET_TEMPLATE.name}: the secret {SECRET} with user and password.")
    if by_api:
        screen.say(
            "(moto says that this stack is complete but makes no secrets, so the demo made the "
            "same one by an API call.)"
        )


def start_both_halves(stage: Stage, screen: Screen) -> None:
    """Apply the definition, and start two processes."""
    stage.install_definition()
    processes = [stage.start(half) for half in HALVES]
    for process in processes:
        process.await_ready()
    listener, reconciler = processes
    screen.say(
        f"The definition is applied (`hark crd`). `hark listen` is process {listener.pid}, "
        f"`hark reconcile` is process {reconciler.pid}; both are ready."
    )


def apply_the_manifest(stage: Stage, screen: Screen) -> None:
    """Apply the example, and look at the Secret that comes of it."""
    states = sight.watch(stage)
    began = time.monotonic()
    owner = stage.guest.create(sight.EXTERNAL_SECRETS, yaml.safe_load(MANIFEST.read_text()))
    secret = sight.await_value(states, stage.cloud.planted[-1])
    elapsed = time.monotonic() - began
    version = stage.cloud.version()
    sight.await_synced(stage, version)
    [reference] = secret["metadata"]["ownerReferences"]
    expect(reference["uid"] == owner["metadata"]["uid"], "The Secret has another owner.")
    expect(secret["type"] == "Opaque", "The Secret is not Opaque.")
    screen.say(f"examples/aws/{MANIFEST.name} is applied; {elapsed:.2f} s later there is a Secret:")
    screen.show(f"name             {secret['metadata']['name']}")
    screen.show(f"type             {secret['type']}")
    screen.show(f"ownerReferences  {reference['kind']} {reference['name']}")
    for entry, text in sorted(secret["data"].items()):
        screen.show(f"data             {entry}: {len(base64.b64decode(text))} bytes")
    screen.show(f"version          {version} of {SECRET}, as the ledger in the status says")


def change_the_secret(stage: Stage, screen: Screen) -> None:
    """Change, announce, and take the time until the Secret has it."""
    screen.say(
        "(AWS announces a change by itself. moto does not, so the demo plays the announcer: it "
        "puts AWS's event on the bus; from there on rule, queue and Hark carry it.)"
    )
    before = sight.secret(stage)["metadata"]["resourceVersion"]
    states = sight.watch(stage)
    version = stage.cloud.change()
    changed = time.monotonic()
    stage.cloud.announce(version)
    announced = time.monotonic()
    secret = sight.await_value(states, stage.cloud.planted[-1])
    arrived = time.monotonic()
    sight.await_synced(stage, version)
    screen.say(f"{SECRET} has version {version}.")
    _show_arrival(screen, before, secret, version)
    screen.say(
        f"From the change to the Secret: {arrived - changed:.2f} s, of which moto took "
        f"{announced - changed:.2f} s to bring the event into the queue. Both ends by the demo's "
        "own monotonic clock: PutSecretValue has answered, a watch shows the new Secret."
    )


def kill_the_reconciler(stage: Stage, screen: Screen) -> int:
    """SIGKILL; the value reads that it told of, which die with it."""
    reconciler = stage.processes["reconciler"][-1]
    told = sight.value_reads_told(reconciler)
    reconciler.kill()
    screen.say(
        f"Process {reconciler.pid} is gone. Its metrics told of {told} value reads before it died."
    )
    return told


def change_while_it_is_dead(stage: Stage, screen: Screen) -> None:
    """The listener hears it and leaves a note; nobody can act."""
    before = sight.secret(stage)["metadata"]["resourceVersion"]
    version = stage.cloud.change()
    stage.cloud.announce(version)
    await_until(
        lambda: sight.entry(stage).heard,
        lambda heard: heard is not None and heard.version == version,
        "The listener left no note.",
    )
    expect(sight.secret(stage)["metadata"]["resourceVersion"] == before, "Who wrote the Secret?")
    screen.say(
        f"{SECRET} has version {version}. The listener has noted it in the ledger; the Secret is "
        "still the old one."
    )


def start_the_reconciler_again(stage: Stage, screen: Screen) -> None:
    """The note alone tells the new process what to do."""
    version = stage.cloud.version()
    before = sight.secret(stage)["metadata"]["resourceVersion"]
    states = sight.watch(stage)
    began = time.monotonic()
    process = stage.start("reconciler")
    secret = sight.await_value(states, stage.cloud.planted[-1])
    elapsed = time.monotonic() - began
    sight.await_synced(stage, version)
    screen.say(
        f"`hark reconcile` is process {process.pid} now. {elapsed:.2f} s after its start, most of "
        "which Python takes to load it:"
    )
    _show_arrival(screen, before, secret, version)


def _show_arrival(screen: Screen, before: str, secret: Mapping[str, Any], version: str) -> None:
    after = secret["metadata"]["resourceVersion"]
    expect(after != before, "The Secret was not written.")
    screen.show(f"Secret {sight.NAME}  resourceVersion {before} -> {after}")
    screen.show(f"ledger     synced version {version}")
