"""`hark cost` as somebody without its documentation meets it, and its report."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.cost import main as bench_cost
from hark.commands import main
from hark.cost.options import BACKENDS

COUNTS = ("--objects", "5000", "--items", "15000", "--secrets", "5000")


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["cost", *arguments, "--json"], {}) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_counts_alone_need_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, *COUNTS, "--backend", "secretsManager", "--changes-per-day", "10")
    (aws,) = told["backends"]
    assert (aws["externalSecrets"], aws["items"], aws["secrets"]) == (5000, 15_000, 5000)
    assert aws["changes"] == 300
    found = {one["product"]: one["valueReads"] for one in aws["products"]}
    # 15,000 x 259,200; 5,000 keys x 720; 10 x 30.
    assert found == {"KES": 3_888_000_000, "ESO": 3_600_000, "Hark": 300}
    for one in aws["products"]:
        assert one["dollars"] == pytest.approx(sum(line["dollars"] for line in one["lines"]))


def test_each_backend_in_turn_is_no_sum(capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "--objects", "10")
    assert [one["backend"] for one in told["backends"]] == list(BACKENDS.values())
    assert "totalDollars" not in told
    waits = [
        line["calls"]
        for backend in told["backends"][:2]
        for line in backend["products"][-1]["lines"]
        if line["what"] == "SQS: empty receives"
    ]
    assert waits == [259_200, 259_200]


def test_the_table_fits_and_names_prices_and_assumptions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cost", *COUNTS, "--sweep-interval", "none", "--eso-interval", "1m"], {}) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "calls of Secrets Manager: $0.05 for 10,000 (from the list, 2026-09-20)" in text
    assert "ESO, every 1m" in text
    told = " ".join(text.split())
    assert "once in 30 days; no sweep; 2 listener(s)" in told
    assert "not taken off (--free-tiers does)" in told


def test_every_option_changes_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = _told(capsys, *COUNTS)
    for option in (
        ("--changes-per-day", "1"),
        ("--kes-interval", "1m"),
        ("--eso-interval", "1m"),
        ("--sweep-interval", "1h"),
        ("--vault-interval", "1m"),
        ("--listeners", "1"),
        ("--free-tiers",),
        ("--own-keys",),
        ("--higher-throughput",),
    ):
        assert _told(capsys, *COUNTS, *option)["backends"] != before["backends"], option


def test_the_bench_is_a_front_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench_cost(()) == 0
    ten_thousand = capsys.readouterr().out
    assert main(["cost", "--objects", "10000"], {}) == 0
    assert capsys.readouterr().out == ten_thousand


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--secrets", "10"), "--secrets counts only beside --objects"),
        (("--backend", "vault"), "--backend counts only beside --objects"),
        (("--objects", "10", "--items", "9"), "10 objects with 9 items cannot read 9 secrets"),
        (("--objects", "10", "--secrets", "11"), "cannot read 11 secrets"),
        (("--objects", "10", "--kes-interval", "10"), "--kes-interval=10 is no duration"),
        (("--objects", "10", "--eso-interval", "1ms"), "--eso-interval=1ms is shorter"),
        (("--objects", "10", "--sweep-interval", "0s"), "--sweep-interval=0s is shorter"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", *arguments], {}) == 2
    told = capsys.readouterr().err
    assert told.startswith("hark: ")
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--objects", "0"),
        ("--objects", "-1"),
        ("--objects", "many"),
        ("--objects", "1", "--changes-per-day", "-1"),
        ("--objects", "1", "--changes-per-day", "nan"),
        ("--objects", "1", "--backend", "ibm"),
    ],
)
def test_bad_usage_ends_with_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["cost", *arguments], {})
    assert end.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_a_kubeconfig_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "--kubeconfig", str(tmp_path / "none")], {}) == 1
    assert "none does not exist" in capsys.readouterr().err
