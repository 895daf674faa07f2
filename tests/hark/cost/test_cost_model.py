"""The arithmetic of `hark cost`, against examples that were worked by hand."""

import math
from datetime import date

import pytest

from externalsecret.identity import Backend
from hark.cost.compare import Bill, compare
from hark.cost.estate import NEVER, Estate, Group, Line, Terms
from hark.cost.ours import hark, sweep_calls
from hark.cost.peers import eso, kes
from hark.cost.prices import charge, read_prices

PRICES = read_prices()


def _estate(
    backend: Backend,
    objects: int = 5000,
    *,
    items: int = 0,
    keys: int = 0,
    secrets: int = 0,
    changes: float = 0.0,
    interval: float | None = None,
) -> Estate:
    group = Group(objects, items or objects, keys or items or objects, interval)
    return Estate(backend, (group,), (secrets or objects,), changes)


def _calls(lines: list[Line]) -> dict[str, float]:
    return {line.what: line.calls for line in lines}


def _bills(estate: Estate, terms: Terms, *, free: bool = False) -> dict[str, Bill]:
    (comparison,) = compare([estate], terms, PRICES, free=free)
    return {bill.product: bill for bill in comparison.bills}


def test_five_thousand_objects_each_minute_cost_eso_1080_dollars() -> None:
    # 5,000 x 60 x 24 x 30 = 216,000,000 calls at $0.05 for 10,000.
    bill = _bills(_estate(Backend.SECRETS_MANAGER), Terms(eso_interval=60.0))["ESO"]
    assert (bill.value_reads, bill.other_calls) == (216_000_000, 0)
    assert bill.dollars == pytest.approx(1080.0)
    assert bill.rhythm == "every 1m"


def test_one_item_of_kes_is_259200_reads_a_month() -> None:
    # 6 a minute x 60 x 24 x 30.
    bill = _bills(_estate(Backend.SECRETS_MANAGER, 1), Terms())["KES"]
    assert bill.value_reads == 259_200
    assert bill.dollars == pytest.approx(1.296)
    assert bill.rhythm == "every 10s"


def test_kes_reads_each_item_and_eso_each_key_of_secrets_manager() -> None:
    estate = _estate(Backend.SECRETS_MANAGER, 10, items=30, keys=20, secrets=5)
    hourly = Terms(kes_interval=3600.0)
    assert _calls(kes(estate, hourly)) == {"value reads": 30 * 720}
    assert _calls(eso(estate, hourly)) == {"value reads": 20 * 720}


@pytest.mark.parametrize(
    "backend", [Backend.PARAMETER_STORE, Backend.GCP_SECRET_MANAGER, Backend.KEY_VAULT]
)
def test_elsewhere_eso_reads_each_item(backend: Backend) -> None:
    lines = eso(_estate(backend, 10, items=30, keys=20, secrets=5), Terms())
    assert _calls(lines)["value reads"] == 30 * 720


def test_in_vault_the_peers_ask_about_their_tokens_too() -> None:
    estate = _estate(Backend.VAULT, 10, items=30, keys=20, secrets=5)
    hourly = Terms(kes_interval=3600.0)
    assert [line.calls for line in kes(estate, hourly)] == [30 * 720, 30 * 720]
    # Of ESO's four requests for one key one is the read.
    assert [line.calls for line in eso(estate, hourly)] == [30 * 720, 3 * 10 * 720]


def test_each_object_of_eso_has_its_own_rhythm_and_one_that_never_refreshes_costs_nothing() -> None:
    groups = (Group(2, 2, 2, 60.0), Group(3, 3, 3, None), Group(100, 100, 100, NEVER))
    estate = Estate(Backend.GCP_SECRET_MANAGER, groups, (105,), 0.0)
    # 2 x 43,200 each minute and 3 x 720 each hour.
    bill = _bills(estate, Terms())["ESO"]
    assert bill.value_reads == 86_400 + 2_160
    assert bill.rhythm == "as each says"
    assert _bills(_estate(Backend.VAULT, interval=NEVER), Terms())["ESO"].value_reads == 0


def test_hark_reads_each_changed_version_once_however_many_use_it() -> None:
    estate = _estate(Backend.SECRETS_MANAGER, 5000, items=15_000, secrets=500, changes=500.0)
    assert _calls(hark(estate, Terms()))["value reads"] == 500


def test_the_bill_of_hark_for_five_thousand_secrets_of_aws() -> None:
    lines = hark(_estate(Backend.SECRETS_MANAGER, changes=5000.0), Terms())
    assert _calls(lines) == {
        "value reads": 5000,  # $0.025
        "sweep: ListSecrets": 50 * 4 * 30,  # 6,000: $0.03
        "EventBridge: events": 10_000,  # free
        "SQS: sends by EventBridge": 10_000,  # $0.004
        "SQS: receives of a message": 10_000,  # $0.004
        "SQS: deletions": 10_000,  # $0.004
        "SQS: empty receives": 2 * 129_600,  # $0.10368
    }
    assert sum(charge(lines, PRICES, free=False)) == pytest.approx(0.17068)


def test_the_bill_of_hark_for_five_thousand_secrets_of_google() -> None:
    lines = hark(_estate(Backend.GCP_SECRET_MANAGER, changes=5000.0), Terms())
    assert _calls(lines) == {
        "value reads": 5000,  # $0.015
        "sweep: versions' metadata": 5000 * 4 * 30,  # free
        "Pub/Sub: publishes": 5000,
        "Pub/Sub: pulls with a message": 5000,
        "Pub/Sub: empty pulls": 259_200,  # with the two above 269.2 MB of 1.1 TB at $40: $0.0098
    }
    assert sum(charge(lines, PRICES, free=False)) == pytest.approx(0.015 + 0.009793, abs=1e-5)


def test_the_bill_of_hark_for_five_thousand_secrets_of_key_vault() -> None:
    lines = hark(_estate(Backend.KEY_VAULT, changes=5000.0), Terms())
    assert _calls(lines) == {
        "value reads": 5000,  # $0.015
        "sweep: lists of properties": 200 * 4 * 30,  # 24,000: $0.072
        "Event Grid: events in and out": 10_000,  # $0.006
        "queue: puts by Event Grid": 5000,  # $0.002
        "queue: looks for a message": 25_000,  # $0.01
        "queue: deletions": 5000,  # $0.002
        "queue: looks in vain": 2 * 518_400,  # $0.41472
    }
    assert sum(charge(lines, PRICES, free=False)) == pytest.approx(0.52172)


def test_the_bill_of_hark_for_five_thousand_parameters() -> None:
    lines = hark(_estate(Backend.PARAMETER_STORE, changes=5000.0), Terms())
    assert _calls(lines) == {
        "value reads": 5000,  # free at standard throughput
        "decryptions by KMS": 5000,  # $0.015
        "sweep: DescribeParameters": 100 * 4 * 30,  # free
        "looks after an event": 5000,  # free
        "EventBridge: events": 5000,  # free
        "SQS: sends by EventBridge": 5000,  # $0.002
        "SQS: receives of a message": 5000,  # $0.002
        "SQS: deletions": 5000,  # $0.002
        "SQS: empty receives": 259_200,  # $0.10368
    }
    assert sum(charge(lines, PRICES, free=False)) == pytest.approx(0.12468)


def test_vault_asks_no_money_and_hark_asks_it_often() -> None:
    lines = hark(_estate(Backend.VAULT, 1000, changes=1000.0), Terms())
    assert _calls(lines) == {
        "value reads": 1000,
        "sweep: metadata of paths": 120_000,
        "listener: metadata of paths": 1000 * 86_400,
    }
    assert charge(lines, PRICES, free=False) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("backend", "secrets", "calls"),
    [
        (Backend.SECRETS_MANAGER, 0, 0),
        (Backend.SECRETS_MANAGER, 1, 1),
        (Backend.SECRETS_MANAGER, 100, 1),
        (Backend.SECRETS_MANAGER, 101, 2),
        (Backend.SECRETS_MANAGER, 10_000, 100),
        (Backend.PARAMETER_STORE, 51, 2),
        (Backend.GCP_SECRET_MANAGER, 51, 51),
        (Backend.KEY_VAULT, 10, 10),
        (Backend.KEY_VAULT, 11, 1),
        (Backend.KEY_VAULT, 51, 3),
        (Backend.VAULT, 51, 51),
    ],
)
def test_a_sweep_takes_as_few_calls_as_its_api_allows(
    backend: Backend, secrets: int, calls: int
) -> None:
    assert sweep_calls(backend, secrets) == calls


def test_each_lane_is_swept_alone() -> None:
    estate = Estate(Backend.SECRETS_MANAGER, (Group(30, 30, 30),), (10, 10, 10), 0.0)
    assert _calls(hark(estate, Terms()))["sweep: ListSecrets"] == 3 * 120
    assert _calls(hark(estate, Terms(sweep_interval=None)))["sweep: ListSecrets"] == 0


def test_one_queue_serves_both_services_of_aws_and_its_rest_is_paid_once() -> None:
    both = [_estate(Backend.SECRETS_MANAGER, 1), _estate(Backend.PARAMETER_STORE, 1)]
    waits = [
        row.line.calls
        for comparison in compare(both, Terms(listeners=3), PRICES)
        for row in comparison.bills[-1].rows
        if row.line.what == "SQS: empty receives"
    ]
    assert waits == [3 * 129_600, 0]


def test_what_is_free_for_all_counts_only_if_asked_for_and_once() -> None:
    estates = [_estate(backend, 1) for backend in (Backend.SECRETS_MANAGER, Backend.KEY_VAULT)]
    estates.append(_estate(Backend.GCP_SECRET_MANAGER, 1))
    terms = Terms(kes_interval=3600.0)
    dear = compare(estates, terms, PRICES)
    cheap = compare(estates, terms, PRICES, free=True)
    # SQS: a million requests; Google: 10,000 accesses. Secrets Manager and Key Vault give nothing.
    assert [row.dollars for row in cheap[0].bills[-1].rows if "SQS" in row.line.what] == [0.0] * 4
    assert cheap[2].bills[0].dollars == 0.0 < dear[2].bills[0].dollars
    assert cheap[0].bills[0].dollars == dear[0].bills[0].dollars == pytest.approx(0.0036)
    lines = [Line("a", 15_000, "kms-request"), Line("b", 15_000, "kms-request")]
    assert charge(lines, PRICES, free=True) == pytest.approx([0.0, 0.03])


def test_keys_of_the_customer_and_higher_throughput_cost_all_three() -> None:
    own = Terms(own_keys=True)
    for lines in (kes, eso):
        found = _calls(lines(_estate(Backend.SECRETS_MANAGER, 1), own))
        assert found["decryptions by KMS"] == found["value reads"]
    paid = Terms(higher_throughput=True, eso_interval=60.0)
    bill = _bills(_estate(Backend.PARAMETER_STORE, 100), paid)["ESO"]
    # 100 x 43,200 reads: $21.60 and for KMS $12.96.
    assert bill.dollars == pytest.approx(34.56)


def test_every_price_is_used_and_says_where_and_when_it_was_read() -> None:
    used = set()
    for backend in Backend:
        estate = _estate(backend)
        for terms in (Terms(), Terms(higher_throughput=True, own_keys=True)):
            for count in (kes, eso, hark):
                used |= {line.price for line in count(estate, terms)}
    assert used == set(PRICES)
    for price in PRICES.values():
        assert date(2026, 1, 1) < price.read < date(2100, 1, 1)
        assert price.page.startswith("https://")
        assert price.per > 0
        assert min(price.dollars, price.free) >= 0


def test_a_period_may_be_any_other_than_a_month() -> None:
    minute = Terms(period=60.0, sweep_interval=60.0, listeners=1, events_per_change=1.0)
    found = _calls(hark(_estate(Backend.SECRETS_MANAGER, 150, changes=3.0), minute))
    assert found["sweep: ListSecrets"] == 2
    assert found["SQS: deletions"] == 3
    assert math.isclose(found["SQS: empty receives"], 3)
