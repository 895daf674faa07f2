"""The metrics of kubernetes-external-secrets, letter by letter."""

from prometheus_client.parser import text_string_to_metric_families

from externalsecret.reflect import Key
from fakes.resources import external_secret
from reconciler.synccalls import SyncCalls

SHOP: Key = ("team", "shop")
BACKEND = {"backendType": "secretsManager"}


def _samples(calls: SyncCalls) -> list[str]:
    return [line for line in calls.exposition().splitlines() if not line.startswith("#")]


def test_the_names_the_kinds_and_the_order_of_the_labels_are_those_of_kes() -> None:
    calls = SyncCalls(lambda: [SHOP])
    calls.count(external_secret(wanted=BACKEND), is_success=True)
    calls.count(external_secret(wanted=BACKEND), is_success=True)
    calls.count(external_secret(wanted=BACKEND), is_success=False)
    who = 'name="shop",namespace="team",backend="secretsManager"'
    assert _samples(calls) == [
        f'kubernetes_external_secrets_sync_calls_count{{{who},status="success"}} 2',
        f'kubernetes_external_secrets_sync_calls_count{{{who},status="error"}} 1',
        f'sync_calls{{{who},status="success"}} 2',
        f'sync_calls{{{who},status="error"}} 1',
        f"kubernetes_external_secrets_last_sync_call_state{{{who}}} -1",
        f"last_state{{{who}}} -1",
    ]
    kinds = [line for line in calls.exposition().splitlines() if line.startswith("# TYPE")]
    assert kinds == [
        "# TYPE kubernetes_external_secrets_sync_calls_count counter",
        "# TYPE sync_calls counter",
        "# TYPE kubernetes_external_secrets_last_sync_call_state gauge",
        "# TYPE last_state gauge",
    ]


def test_the_last_state_is_good_again_after_a_success() -> None:
    calls = SyncCalls(lambda: [SHOP])
    calls.count(external_secret(), is_success=False)
    calls.count(external_secret(), is_success=True)
    assert _samples(calls)[-1].endswith(" 1")


def test_the_series_go_with_the_object_and_begin_anew_with_the_next_of_its_name() -> None:
    served = [SHOP]
    calls = SyncCalls(lambda: served)
    calls.count(external_secret(), is_success=True)
    served.clear()
    assert _samples(calls) == []
    served.append(SHOP)
    assert _samples(calls) == []


def test_another_backend_leaves_no_series_of_the_former() -> None:
    calls = SyncCalls(lambda: [SHOP])
    calls.count(external_secret(wanted=BACKEND), is_success=True)
    calls.count(external_secret(wanted={"backendType": "systemManager"}), is_success=True)
    assert all('backend="systemManager"' in line for line in _samples(calls))


def test_whatever_stands_in_a_spec_leaves_the_text_whole() -> None:
    calls = SyncCalls(lambda: [SHOP])
    odd = 'a "quoted"\nback\\slash'
    calls.count(external_secret(wanted={"backendType": odd}), is_success=True)
    found = [
        sample.labels["backend"]
        for family in text_string_to_metric_families(calls.exposition())
        for sample in family.samples
    ]
    assert found == [odd] * 4
