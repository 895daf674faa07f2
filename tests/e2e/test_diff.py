"""`hark diff` tells what a takeover would do to each Secret, and does nothing."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worlds.spine import unique
from worlds.whole import Whole

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-4d1f"


def _diff(
    world: Whole, *arguments: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """The command as an administrator runs it, with JSON for its answer."""
    done = _run(world, *arguments, "--output", "json", **environment)
    rows = json.loads(done.stdout)["externalSecrets"] if done.stdout else []
    return done, {row["name"]: row for row in rows}


def _run(world: Whole, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hark", "diff", "-n", world.namespace, *arguments]
    full = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(world.cluster.admin_kubeconfig),
        **world.environment,
        **environment,
    }
    done = subprocess.run(
        command, env=full, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert CANARY not in done.stdout + done.stderr
    assert base64.b64encode(CANARY.encode()).decode()[:10] not in done.stdout + done.stderr
    return done


def _apply(world: Whole, name: str, **spec: Any) -> str:
    """An ExternalSecret that nobody serves yet; its uid."""
    items = [{"key": name, "name": entry, "property": entry} for entry in ("user", "password")]
    world.apply(name, {"data": items, **spec})
    return str(world.get(name)["metadata"]["uid"])


def _kes_secret(world: Whole, name: str, uid: str, values: Mapping[str, str]) -> dict[str, Any]:
    owner = {
        "apiVersion": "kubernetes-client.io/v1",
        "kind": "ExternalSecret",
        "name": name,
        "uid": uid,
        "controller": True,
    }
    data = {entry: base64.b64encode(text.encode()).decode() for entry, text in values.items()}
    made: dict[str, Any] = world.make_secret(name, data=data, metadata={"ownerReferences": [owner]})
    return made


def test_each_secret_is_told_apart_and_none_is_touched(whole: Whole) -> None:
    value = {"user": f"{CANARY}-user", "password": f"{CANARY}-password"}
    equal, changed, absent, foreign = (unique(word) for word in ("eq", "ch", "ab", "fo"))
    for name in (equal, changed, absent, foreign):
        whole.create(name, value)
    made = {
        equal: _kes_secret(whole, equal, _apply(whole, equal), value),
        changed: _kes_secret(
            whole, changed, _apply(whole, changed), {**value, "password": f"{CANARY}-old"}
        ),
        foreign: whole.make_secret(foreign, data={"theirs": "dGhlaXJz"}),
    }
    _apply(whole, absent)
    _apply(whole, foreign)
    missing = unique("mi")
    _apply(whole, missing)

    done, rows = _diff(whole)

    assert done.returncode == 1, done.stderr
    assert rows[equal]["would"] == "adopt"
    assert rows[changed]["would"] == "change"
    assert (rows[changed]["change"], rows[changed]["add"]) == (["password"], [])
    assert rows[absent]["would"] == "create"
    assert rows[absent]["add"] == ["password", "user"]
    assert (rows[foreign]["would"], rows[foreign]["reason"]) == ("refuse", "SecretNotOurs")
    assert (rows[missing]["would"], rows[missing]["reason"]) == ("refuse", "NotFound")
    assert json.loads(done.stdout)["valueReads"] == 4
    for name, secret in made.items():
        assert whole.secret(name) == secret
        assert "status" not in whole.get(name)
    assert whole.secret(absent) is None
    assert whole.events(changed) == []


def test_a_secret_that_would_stay_as_it_is_ends_with_zero_and_a_table(whole: Whole) -> None:
    name = unique("same")
    value = {"user": f"{CANARY}-user", "password": f"{CANARY}-password"}
    whole.create(name, value)
    _kes_secret(whole, name, _apply(whole, name), value)

    done = _run(whole, name)

    assert done.returncode == 0, done.stderr
    head, row, *_ = done.stdout.splitlines()
    assert head.split() == ["NAMESPACE", "NAME", "WOULD", "DETAIL"]
    assert row.split()[:3] == [whole.namespace, name, "adopt"]
    assert "1 secret value read; nothing was written." in done.stdout


def test_what_a_namespace_forbids_is_refused_and_not_read(whole: Whole) -> None:
    name = unique("forbidden")
    whole.create(name, {"user": f"{CANARY}-user", "password": f"{CANARY}-password"})
    _apply(whole, name)

    done, rows = _diff(whole, ENFORCE_NAMESPACE_ANNOTATIONS="")

    assert done.returncode == 1, done.stderr
    assert rows[name]["would"] == "refuse"
    assert "Namespace annotation is required" in rows[name]["detail"]
    assert whole.value_calls(name) == 0


def test_a_secret_of_another_type_is_refused_or_made_anew_as_the_spec_says(whole: Whole) -> None:
    value = {"user": f"{CANARY}-user", "password": f"{CANARY}-password"}
    stays, goes = unique("stays"), unique("goes")
    made = {}
    for name, policy in ((stays, "Fail"), (goes, "Recreate")):
        whole.create(name, value)
        uid = _apply(whole, name, type="example.com/credentials", onTypeChange=policy)
        made[name] = _kes_secret(whole, name, uid, value)

    done, rows = _diff(whole)

    assert done.returncode == 1, done.stderr
    assert (rows[stays]["would"], rows[stays]["reason"]) == ("refuse", "TypeConflict")
    assert rows[goes]["would"] == "recreate"
    assert (rows[goes]["add"], rows[goes]["change"]) == ([], [])
    assert {name: whole.secret(name) for name in made} == made


def test_a_name_that_is_not_there_and_a_bad_duration_are_said_in_a_sentence(whole: Whole) -> None:
    done = _run(whole, "nobody")
    assert done.returncode == 2
    assert "nobody" in done.stderr
    done = _run(whole, "--namespace", "nowhere")
    assert done.returncode == 2
    assert "no namespace nowhere" in done.stderr
    done = _run(whole, "--timeout", "soon")
    assert done.returncode == 2
    assert "--timeout=soon" in done.stderr
