import pytest

from externalsecret.errors import GiveUp
from externalsecret.manifest import Item, ItemKind
from externalsecret.redacted import Redacted
from reconciler.backends.contract import Binary
from reconciler.supply import BadValue, Readable, is_entry_name, supply


def data(property_path: str | None = None, *, is_binary: bool = False) -> Item:
    return Item(
        "e", "spec.data[2]", "prod/db", ItemKind.DATA, "pw", property_path, is_binary=is_binary
    )


DOCUMENT = Item("e", "spec.dataFrom[0]", "prod/db", ItemKind.DOCUMENT)


def path(property_path: str | None = None, *, is_binary: bool = False) -> Item:
    return Item(
        "e", "spec.data[1]", "/prod", ItemKind.PATH, None, property_path, is_binary=is_binary
    )


def shown(values: object) -> dict[str, bytes]:
    assert isinstance(values, dict)
    return {name: value.reveal() for name, value in values.items()}


ENTRIES: list[tuple[Item, Readable, bytes]] = [
    (data(), Redacted(b" text\n"), b" text\n"),
    (data(), Redacted(b"\xff\x00"), b"\xff\x00"),
    (data(), Binary(Redacted(b"\xff")), b"\xff"),
    (data("a"), Redacted(b'{"a":"x"}'), b"x"),
    (data("a"), Redacted(b'{"a":null}'), b"null"),
    (data("a"), Redacted(b'{"a":{"b": [1.0]}}'), b'{"b":[1]}'),
    (data("a"), Binary(Redacted(b'{"a":"x"}')), b"x"),
    (data(""), Redacted(b'{"":"x"}'), b"x"),
    (data(is_binary=True), Redacted(b"YWJj"), b"abc"),
    (data(is_binary=True), Redacted(b"-_8"), b"\xfb\xff"),
    (data(is_binary=True), Binary(Redacted(b"YWJj")), b"YWJj"),
    (data("a", is_binary=True), Redacted(b'{"a":"YWJj"}'), b"abc"),
    (data("a", is_binary=True), Binary(Redacted(b'{"a":"YWJj"}')), b"abc"),
    (data("a", is_binary=True), Redacted(b'{"a":1234}'), b"1234"),
]


@pytest.mark.parametrize(("item", "read", "expected"), ENTRIES)
def test_a_data_item_supplies_one_entry(item: Item, read: Readable, expected: bytes) -> None:
    supplied = supply(item, read, ())
    assert shown(supplied.values) == {"pw": expected}
    assert supplied.problems == ()


def test_each_member_of_a_document_becomes_an_entry_in_its_text_form() -> None:
    document = b'{"s":"x","n":1.50,"o":{"a":[]},"z":null,"t":true,"i":1e400}'
    assert shown(supply(DOCUMENT, Redacted(document), ()).values) == {
        "s": b"x",
        "n": b"1.5",
        "o": b'{"a":[]}',
        "z": b"null",
        "t": b"true",
        "i": b"Infinity",
    }


def test_each_parameter_of_a_path_becomes_an_entry() -> None:
    read = {"user": Redacted(b"root"), "list": Redacted(b"a,b")}
    assert shown(supply(path(), read, ()).values) == {"user": b"root", "list": b"a,b"}


def test_property_and_is_binary_of_a_path_apply_to_each_parameter() -> None:
    read = {"one": Redacted(b'{"k":"YQ=="}'), "two": Redacted(b'{"k":"Yg=="}')}
    item = path("k", is_binary=True)
    assert shown(supply(item, read, ()).values) == {"one": b"a", "two": b"b"}
    plain = {"one": Redacted(b"YQ==")}
    assert shown(supply(path(is_binary=True), plain, ()).values) == {"one": b"a"}


def test_a_parameter_that_a_path_cannot_use_is_held_and_the_others_go_on() -> None:
    read = {"good": Redacted(b'{"k":1}'), "bad": Redacted(b"s3cret"), "less": Redacted(b"{}")}
    supplied = supply(path("k"), read, ())
    assert shown(supplied.values) == {"good": b"1"}
    assert supplied.held == {"bad", "less"}
    assert supplied.problems == (
        (
            "spec.data[1]: parameter bad of /prod is not JSON at character 0, so property k cannot "
            "be looked up. Store JSON, or remove property to take the whole value."
        ),
        "Could not find property k in parameter less of /prod",
    )


def test_a_parameter_that_left_its_path_is_held() -> None:
    supplied = supply(path(), {"here": Redacted(b"1")}, ("here", "gone"))
    assert supplied.held == {"gone"}
    assert "gone from path /prod: gone. What the Secret holds of it is kept" in supplied.problems[0]


BAD: list[tuple[Item, bytes, str]] = [
    (
        data("user"),
        b"s3cret",
        (
            "spec.data[2]: prod/db is not JSON at character 0, so property user cannot be "
            "looked up. Store JSON, or remove property to take the whole value."
        ),
    ),
    (data("user"), b'{"s3cret":1}', "Could not find property user in prod/db"),
    (data(""), b'{"s3cret":1}', "Could not find property  in prod/db"),
    (data("a.b"), b'{"a":null}', "Could not find property a.b in prod/db"),
    (
        data("user"),
        b"[" * 300,
        (
            "spec.data[2]: prod/db is nested deeper than 200 levels at character 200, so property "
            "user cannot be looked up. Store JSON, or remove property to take the whole value."
        ),
    ),
]


@pytest.mark.parametrize(("item", "read", "sentence"), BAD)
def test_a_bad_data_item_holds_its_entry_and_says_why(
    item: Item, read: bytes, sentence: str
) -> None:
    supplied = supply(item, Redacted(read), ())
    assert supplied.values == {}
    assert supplied.held == {"pw"}
    assert supplied.problems == (sentence,)


@pytest.mark.parametrize("read", [b'["s3cret"]', b'"s3cret"', b"5", b"true", b"null", b"s3cret"])
def test_only_an_object_is_a_document_and_anything_else_holds_what_it_fed(read: bytes) -> None:
    supplied = supply(DOCUMENT, Redacted(read), ("a", "b"))
    assert supplied.values == {}
    assert supplied.held == {"a", "b"}
    assert "spec.dataFrom[0]: prod/db is not a JSON object" in supplied.problems[0]
    assert "s3cret" not in supplied.problems[0]


def test_a_document_that_became_empty_holds_what_it_fed() -> None:
    supplied = supply(DOCUMENT, Redacted(b"{}"), ("a",))
    assert supplied.held == {"a"}
    assert "became an empty JSON object" in supplied.problems[0]


def test_a_document_that_never_fed_anything_may_be_empty() -> None:
    assert supply(DOCUMENT, Redacted(b"{}"), ()).problems == ()


def test_is_binary_of_a_document_decodes_each_text_member() -> None:
    item = Item("e", "spec.dataFromWithOptions[0]", "prod/db", ItemKind.DOCUMENT, is_binary=True)
    document = Redacted(b'{"padded":"YQ==","bare":"-_8","number":1234,"list":["YQ=="],"gone":null}')
    for read in (document, Binary(document)):
        supplied = supply(item, read, ("a",))
        assert supplied.problems == ()
        assert shown(supplied.values) == {
            "padded": b"a",
            "bare": b"\xfb\xff",
            "number": b"1234",
            "list": b'["YQ=="]',
            "gone": b"null",
        }


NAMES = [
    ("a", True),
    ("tls.crt", True),
    ("A-b_c.9", True),
    (".dockerconfigjson", True),
    ("x" * 253, True),
    ("x" * 254, False),
    ("", False),
    (".", False),
    ("..", False),
    ("..a", False),
    ("a b", False),
    ("a/b", False),
    ("caf\u00e9", False),
    ("a\n", False),
]


@pytest.mark.parametrize(("name", "allowed"), NAMES)
def test_entry_names_are_those_that_kubernetes_takes(name: str, *, allowed: bool) -> None:
    assert is_entry_name(name) is allowed


def test_members_that_cannot_name_an_entry_are_told_by_number_and_the_others_go_on() -> None:
    document = b'{"good":1,"https://u:s3cret@host":1,"fine":2,"s3cret word":"s3cret"}'
    supplied = supply(DOCUMENT, Redacted(document), ("old",))
    assert shown(supplied.values) == {"good": b"1", "fine": b"2"}
    assert supplied.held == {"old"}
    (sentence,) = supplied.problems
    assert sentence == (
        "spec.dataFrom[0]: 2 of the 4 members of prod/db cannot name an entry of a Secret (counted "
        "from 1: member 2, 4). Rename them: letters, digits, '-', '_' and '.' are allowed, at most "
        "253 of them, but neither '.' alone nor '..' at the start."
    )


def test_of_very_many_bad_members_the_first_are_told() -> None:
    members = ",".join(f'"s3cret {number}":1' for number in range(5000))
    (sentence,) = supply(DOCUMENT, Redacted(f"{{{members}}}".encode()), ()).problems
    assert "5000 of the 5000 members" in sentence
    assert "member 1, 2, 3, 4, 5, ...)" in sentence
    assert "s3cret" not in sentence


def test_a_parameter_that_cannot_name_an_entry_is_named_in_part() -> None:
    (sentence,) = supply(path(), {"not good" + "x" * 5000: Redacted(b"s3cret")}, ()).problems
    assert sentence.startswith("spec.data[1]: 'not good")
    assert "s3cret" not in sentence
    assert len(sentence) < 400


def test_a_bad_value_is_given_up_until_something_changes() -> None:
    problem = BadValue("sentence")
    assert isinstance(problem, GiveUp)
    assert problem.reason == "BadValue"


def test_a_read_of_the_wrong_shape_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        supply(path(), Redacted(b""), ())
    with pytest.raises(TypeError):
        supply(data(), {}, ())
