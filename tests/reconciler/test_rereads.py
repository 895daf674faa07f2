from reconciler.rereads import Rereads

KEY = ("team", "shop")


def test_each_wait_is_given_once_and_then_no_more() -> None:
    rereads = Rereads((1, 2))
    assert [rereads.next_delay(KEY, "db", "note") for _ in range(4)] == [1, 2, None, 1]


def test_every_note_entry_and_object_has_its_own_tries() -> None:
    rereads = Rereads((1, 2))
    rereads.next_delay(KEY, "db", "note")
    assert rereads.next_delay(KEY, "db", "other note") == 1
    assert rereads.next_delay(KEY, "other", "note") == 1
    assert rereads.next_delay(("team", "other"), "db", "note") == 1


def test_a_note_was_first_seen_when_it_was_first_asked_for() -> None:
    rereads = Rereads((1,))
    assert rereads.first_seen("note", 5) == 5
    assert rereads.first_seen("note", 9) == 5
    assert rereads.first_seen("other", 9) == 9


def test_the_next_try_asks_for_something_newer_than_the_last() -> None:
    rereads = Rereads((1,))
    rereads.first_seen("note", 5)
    rereads.next_delay(KEY, "db", "note")
    assert rereads.first_seen("note", 9) == 9


def test_memory_is_bounded_and_what_is_forgotten_begins_anew() -> None:
    rereads = Rereads((1, 2))
    rereads.next_delay(KEY, "db", "note")
    rereads.first_seen("note", 5)
    for number in range(20_000):
        rereads.next_delay(KEY, "db", f"{number}")
        rereads.first_seen(f"{number}", 6)
    assert rereads.next_delay(KEY, "db", "note") == 1
    assert rereads.first_seen("note", 9) == 9
