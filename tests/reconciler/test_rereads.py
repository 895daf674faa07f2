from reconciler.rereads import Rereads

KEY = ("team", "app")


def test_a_version_is_looked_for_as_often_as_there_are_delays_and_then_let_go() -> None:
    rereads = Rereads((1.0, 3.0))
    delays = [rereads.next_delay(KEY, "entry", "note") for _ in range(3)]
    assert delays == [1.0, 3.0, None]


def test_every_note_has_tries_of_its_own() -> None:
    rereads = Rereads((1.0,))
    assert rereads.next_delay(KEY, "entry", "one") == 1.0
    assert rereads.next_delay(KEY, "entry", "other") == 1.0


def test_an_answer_since_the_note_was_first_seen_serves_everybody() -> None:
    rereads = Rereads((1.0,))
    assert rereads.first_seen("note", 5.0) == 5.0
    assert rereads.first_seen("note", 6.0) == 5.0


def test_after_a_try_in_vain_only_an_answer_since_the_next_try_will_do() -> None:
    rereads = Rereads((1.0,))
    rereads.first_seen("note", 5.0)
    rereads.next_delay(KEY, "entry", "note")
    assert rereads.first_seen("note", 7.0) == 7.0
    assert rereads.first_seen("note", 8.0) == 7.0
