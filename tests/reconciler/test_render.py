from collections.abc import Mapping

import pytest

from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler.render import MAX_SECRET_BYTES, Rendered, render


def doc(entry: str) -> Item:
    return Item(entry, f"spec.dataFrom of {entry}", entry, ItemKind.DOCUMENT)


def data(entry: str, name: str, property_path: str | None = None) -> Item:
    return Item(entry, f"spec.data of {entry}", entry, ItemKind.DATA, name, property_path)


def path(entry: str) -> Item:
    return Item(entry, f"spec.data of {entry}", entry, ItemKind.PATH)


def red(**values: bytes) -> dict[str, Redacted]:
    return {name: Redacted(value) for name, value in values.items()}


def shown(rendered: Rendered) -> Mapping[str, bytes]:
    return {name: value.reveal() for name, value in rendered.entries.items()}


def test_no_items_make_an_empty_secret() -> None:
    assert render([], {}, {}) == Rendered({}, frozenset(), {}, frozenset(), {})


def test_the_later_item_wins_and_every_feeder_is_recorded() -> None:
    items = [doc("A"), doc("B"), data("C", "x"), data("D", "x")]
    rendered = render(items, red(A=b'{"x":1,"y":2}', B=b'{"y":3}', C=b"c", D=b"d"), {})
    assert shown(rendered) == {"x": b"d", "y": b"3"}
    assert rendered.feeds == {"A": ("x", "y"), "B": ("y",), "C": ("x",), "D": ("x",)}
    assert rendered.removed == frozenset()
    assert rendered.needs == frozenset()


def test_items_that_share_a_read_are_all_supplied_by_it() -> None:
    rendered = render([doc("A"), data("A", "y", "x")], red(A=b'{"x":1}'), {})
    assert shown(rendered) == {"x": b"1", "y": b"1"}
    assert rendered.feeds == {"A": ("x", "y")}


def test_one_changed_read_of_many_writes_its_own_entry_only() -> None:
    items = [data("A", "a"), data("B", "b")]
    rendered = render(items, red(A=b"new"), {"A": ("a",), "B": ("b",)})
    assert shown(rendered) == {"a": b"new"}
    assert rendered.needs == frozenset()


def test_a_changed_read_that_does_not_win_leaves_the_unread_winner_alone() -> None:
    rendered = render([doc("A"), doc("B")], red(A=b'{"x":1}'), {"A": ("x",), "B": ("x",)})
    assert shown(rendered) == {}
    assert rendered.needs == frozenset()
    assert rendered.feeds == {"A": ("x",)}


def test_a_member_that_comes_into_a_document_beats_an_unread_weaker_one() -> None:
    rendered = render([doc("A"), doc("B")], red(B=b'{"x":2}'), {"A": ("x",), "B": ()})
    assert shown(rendered) == {"x": b"2"}


def test_a_member_that_left_a_document_is_removed() -> None:
    rendered = render([doc("A")], red(A=b'{"x":1}'), {"A": ("x", "y")})
    assert rendered.removed == {"y"}
    assert rendered.feeds == {"A": ("x",)}


def test_when_the_winner_loses_a_name_the_unread_next_one_is_needed() -> None:
    fed = {"A": ("x",), "B": ("x", "z")}
    assert render([doc("A"), doc("B")], red(B=b'{"z":1}'), fed).needs == {"A"}
    both = render([doc("A"), doc("B")], red(A=b'{"x":1}', B=b'{"z":1}'), fed)
    assert shown(both) == {"x": b"1", "z": b"1"}
    assert both.removed == frozenset()


def test_when_a_weaker_document_loses_a_name_the_unread_winner_stays_unread() -> None:
    fed = {"A": ("x", "z"), "B": ("x",)}
    rendered = render([doc("A"), doc("B")], red(A=b'{"z":1}'), fed)
    assert rendered.needs == frozenset()
    assert rendered.removed == frozenset()
    assert shown(rendered) == {"z": b"1"}


def test_a_read_that_never_fed_anything_on_record_is_needed() -> None:
    assert render([doc("A"), doc("B")], red(A=b"{}"), {}).needs == {"B"}


def test_a_renamed_data_item_needs_its_read_and_drops_the_old_name() -> None:
    items = [data("A", "new"), data("B", "b")]
    fed = {"A": ("old",), "B": ("b",)}
    assert render(items, red(B=b"b"), fed).needs == {"A"}
    rendered = render(items, red(A=b"a", B=b"b"), fed)
    assert rendered.removed == {"old"}
    assert rendered.feeds["A"] == ("new",)


def test_what_only_an_orphan_fed_is_removed() -> None:
    rendered = render([data("A", "a")], {}, {"A": ("a",), "orphan": ("x",)})
    assert rendered.removed == {"x"}


def test_what_an_orphan_shared_with_an_unread_read_needs_that_read() -> None:
    fed = {"A": ("x",), "orphan": ("x",)}
    assert render([doc("A")], {}, fed).needs == {"A"}
    rendered = render([doc("A")], red(A=b'{"x":1}'), fed)
    assert shown(rendered) == {"x": b"1"}
    assert rendered.removed == frozenset()


def test_an_edit_to_something_unreadable_empties_nothing() -> None:
    fed = {"old": ("a", "b")}
    assert render([doc("new")], {}, fed, failed={"new"}).removed == frozenset()
    assert render([doc("new")], red(new=b"no json"), fed).removed == frozenset()
    assert render([doc("new")], red(new=b'{"c":1}'), fed).removed == {"a", "b"}


def test_a_name_renamed_while_another_read_fails_stays_on_record_until_it_may_go() -> None:
    items = [data("A", "new"), data("B", "b")]
    first = render(items, red(A=b"a"), {"A": ("old",), "B": ("b",)}, failed={"B"})
    assert first.removed == frozenset()
    assert first.feeds == {"A": ("new", "old")}
    later = render(items, red(B=b"b"), {"B": ("b",), **first.feeds})
    assert later.removed == {"old"}


def test_one_bad_read_does_not_keep_the_others_from_being_written() -> None:
    items = [data("A", "a", "x"), data("B", "b")]
    rendered = render(items, red(A=b"no json", B=b"new"), {"A": ("a",), "B": ("b",)})
    assert shown(rendered) == {"b": b"new"}
    assert rendered.removed == frozenset()
    assert list(rendered.errors) == ["A"]
    assert rendered.feeds["A"] == ("a",)


def test_a_bad_item_does_not_hand_its_name_to_a_weaker_one() -> None:
    items = [doc("A"), data("B", "x", "p")]
    rendered = render(items, red(A=b'{"x":1}', B=b"{}"), {"A": ("x",), "B": ("x",)})
    assert shown(rendered) == {}
    assert rendered.removed == frozenset()
    assert str(rendered.errors["B"]) == "Could not find property p in B"


def test_a_read_that_failed_holds_what_it_fed_and_is_not_asked_for_again() -> None:
    fed = {"A": ("x",), "B": ("x", "y")}
    rendered = render([doc("A"), doc("B")], red(A=b'{"x":1,"z":2}'), fed, failed={"B"})
    assert shown(rendered) == {"z": b"2"}
    assert rendered.needs == frozenset()
    assert rendered.removed == frozenset()


def test_several_problems_with_one_read_make_one_error() -> None:
    items = [data("A", "a", "x"), data("A", "b", "y"), data("A", "c", "z")]
    rendered = render(items, red(A=b'{"z":1}'), {})
    assert str(rendered.errors["A"]) == (
        "Could not find property x in A (and 1 more problem with this value)"
    )


def test_a_value_with_a_part_that_cannot_be_used_is_written_in_no_part() -> None:
    items = [data("A", "user", "user"), data("A", "password", "password"), data("B", "other", "x")]
    fed = {"A": ("password", "user")}
    rendered = render(items, red(A=b'{"user":"new"}', B=b'{"x":1}'), fed)
    assert shown(rendered) == {"other": b"1"}
    assert rendered.removed == frozenset()
    assert list(rendered.errors) == ["A"]


def test_a_document_with_a_member_that_is_no_entry_loses_no_other_member() -> None:
    rendered = render([doc("A")], red(A=b'{"x":1,"no/name":2}'), {"A": ("x", "y")})
    assert shown(rendered) == {}
    assert rendered.removed == frozenset()


def test_a_parameter_that_left_its_path_keeps_its_entry() -> None:
    rendered = render([path("P")], {"P": red(x=b"1")}, {"P": ("x", "y")})
    assert shown(rendered) == {"x": b"1"}
    assert rendered.removed == frozenset()
    assert rendered.feeds == {"P": ("x", "y")}
    assert "P" in rendered.errors


def test_a_secret_may_be_as_large_as_kubernetes_allows() -> None:
    rendered = render([data("A", "a")], red(A=b"x" * MAX_SECRET_BYTES), {})
    assert rendered.errors == {}


def test_a_secret_that_is_too_large_is_refused_whole() -> None:
    items = [data("A", "a"), data("B", "b")]
    read = red(A=b"x" * MAX_SECRET_BYTES, B=b"y")
    rendered = render(items, read, {"A": ("a", "old"), "B": ("b",)})
    assert rendered.entries == {}
    assert rendered.removed == frozenset()
    assert sorted(rendered.errors) == ["A", "B"]
    assert "1048577 bytes together, but Kubernetes allows 1048576" in str(rendered.errors["A"])
    assert rendered.feeds == {"A": ("a", "old"), "B": ("b",)}


@pytest.mark.timeout(20)
def test_thousands_of_items_on_one_large_value_are_parsed_once() -> None:
    value = b"{" + b",".join(b'"k%d":"%d"' % (n, n) for n in range(20_000)) + b"}"
    items = [data("A", f"k{n}", f"k{n}") for n in range(20_000)]
    assert len(render(items, red(A=value), {}).entries) == 20_000
    assert len(render(items, red(A=value + b"x"), {}).errors) == 1
