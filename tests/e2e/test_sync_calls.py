"""The metrics that dashboards for kubernetes-external-secrets read, of the running product."""

from testbed.installation import HarkProcess
from worlds.spine import await_until, unique
from worlds.whole import Running

CALLS = "kubernetes_external_secrets_sync_calls_count"
STATE = "kubernetes_external_secrets_last_sync_call_state"


def _lines(process: HarkProcess, name: str) -> dict[str, float]:
    """The samples of an object."""
    text = process.get("/metrics")[1]
    pairs = [line.rpartition(" ") for line in text.splitlines() if f'name="{name}"' in line]
    return {series: float(value) for series, _, value in pairs}


def test_sync_calls_are_counted_and_their_series_go_with_the_object(running: Running) -> None:
    world, process = running.whole, running.reconciler
    name = unique("counted")
    who = f'name="{name}",namespace="{world.namespace}",backend="secretsManager"'
    world.create(name, {"user": "one"})
    data = [{"key": name, "name": "user", "property": "user"}]
    world.apply(name, {"roleArn": world.own_role(), "data": data})
    world.await_synced(name)

    found = await_until(lambda: _lines(process, name), bool, "it is counted")
    assert set(found) == {
        f'{CALLS}{{{who},status="success"}}',
        f'sync_calls{{{who},status="success"}}',
        f"{STATE}{{{who}}}",
        f"last_state{{{who}}}",
    }
    assert found[f"{STATE}{{{who}}}"] == found[f"last_state{{{who}}}"] == 1

    world.change_and_announce(name, "broken")
    world.await_complaint(name, "BadValue")
    failed = f'{CALLS}{{{who},status="error"}}'
    found = await_until(lambda: _lines(process, name), lambda seen: failed in seen, "its failure")
    assert found[failed] >= 1
    assert found[f"{STATE}{{{who}}}"] == -1

    world.delete(name)
    await_until(lambda: _lines(process, name), lambda seen: not seen, "the series are gone")


def test_the_series_go_when_another_controller_takes_the_object(running: Running) -> None:
    world, process = running.whole, running.reconciler
    name = unique("handed-over")
    world.create(name, "value")
    world.apply(name, {"roleArn": world.own_role(), "data": [{"key": name, "name": "entry"}]})
    await_until(lambda: _lines(process, name), bool, "it is counted")

    world.edit(name, {"spec": {"controllerId": "another"}})

    await_until(lambda: _lines(process, name), lambda seen: not seen, "the series are gone")
