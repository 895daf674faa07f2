import pytest

from testbed.lender import CannotBorrowError, Lender, borrow


class Part:
    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


def test_a_part_is_started_once_and_stopped_at_the_end() -> None:
    started: list[Part] = []

    def start() -> tuple[Part, str]:
        started.append(Part())
        return started[-1], "its address"

    lender = Lender({"part": start})
    answers = [borrow(lender.address, "part"), borrow(lender.address, "part")]
    lender.close()
    assert answers == ["its address", "its address"]
    assert [part.stopped for part in started] == [True]


def test_a_part_nobody_asks_for_is_never_started() -> None:
    started: list[Part] = []

    def start() -> tuple[Part, str]:
        started.append(Part())
        return started[-1], ""

    Lender({"part": start}).close()
    assert not started


def test_everybody_is_told_why_a_part_did_not_start() -> None:
    def start() -> tuple[Part, str]:
        raise OSError("no room")

    lender = Lender({"part": start})
    try:
        for _asker in range(2):
            with pytest.raises(CannotBorrowError, match="no room"):
                borrow(lender.address, "part")
    finally:
        lender.close()
