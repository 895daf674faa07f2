"""What only AWS SSM Parameter Store does: suffixes, paths, descriptions."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from externalsecret.errors import GiveUp
from externalsecret.identity import Backend as Kind
from externalsecret.redacted import Redacted
from externalsecret.reference import Reference, Select, Selector
from reconciler.backends.contract import CannotLook, Look, Value, Versions
from reconciler.backends.parameterrows import versions_of
from testbed.actions import Action, answer
from testbed.moto import REGION
from testbed.request import aws
from worlds.backends import LATEST, ParameterStoreWorld, reference, refusal, revealed


def says(document: Mapping[str, Any]) -> Action:
    return answer(200, json.dumps(document).encode())


def row(name: str, version: int, modified: float) -> dict[str, Any]:
    return {
        "Name": name,
        "Value": "x",
        "Version": version,
        "ARN": f"arn:aws:ssm:{REGION}:123456789012:parameter{name}",
        "LastModifiedDate": modified,
    }


def path(key: str, select: Select = Select.PATH) -> Reference:
    return reference(Kind.PARAMETER_STORE, key, Selector(select))


def label(name: str, text: str) -> Reference:
    return reference(Kind.PARAMETER_STORE, f"{name}:{text}", Selector(Select.LABEL, text))


def look(parameters: ParameterStoreWorld, one: Reference) -> Look:
    return parameters.backend.look([one])[one.entry]


def members(parameters: ParameterStoreWorld, one: Reference) -> dict[str, bytes]:
    read = parameters.read(one)
    assert isinstance(read, Value)
    assert isinstance(read.value, Mapping)
    return {name: value.reveal() for name, value in read.value.items()}


def test_a_missing_parameter_is_named_as_kes_named_it(parameters: ParameterStoreWorld) -> None:
    parameters.put("/a", b"x")
    missing = parameters.current("/nowhere")
    answers = parameters.backend.read([parameters.current("/a"), missing])
    assert str(answers[missing.entry]) == "ParameterNotFound: /nowhere could not be found."
    assert parameters.operations() == ["GetParameters"]


@pytest.mark.parametrize("message", ["", "null"])
def test_an_empty_message_of_aws_is_filled(parameters: ParameterStoreWorld, message: str) -> None:
    parameters.proxy.when(aws("GetParameter"), refusal("ParameterNotFound", message))
    read = parameters.read(parameters.current("/a"))
    assert str(read) == "ParameterNotFound: /a could not be found."


def test_a_labelled_version_is_read_but_not_looked_at(parameters: ParameterStoreWorld) -> None:
    parameters.put("/a", b"first")
    parameters.put("/a", b"second")
    parameters.admin.label_parameter_version(Name="/a", ParameterVersion=1, Labels=["blue"])
    one = label("/a", "blue")
    assert revealed(parameters.read(one)) == b"first"
    assert isinstance(look(parameters, one), CannotLook)
    assert "DescribeParameters" not in parameters.operations()


def test_a_pinned_version_that_never_was_chooses_none(parameters: ParameterStoreWorld) -> None:
    parameters.put("/a", b"x")
    seen = look(parameters, parameters.pinned("/a", "7"))
    assert isinstance(seen, Versions)
    assert seen.current is None
    assert isinstance(parameters.read(parameters.pinned("/a", "7")), GiveUp)


def test_a_parameter_made_anew_has_another_version_than_its_predecessor(
    parameters: ParameterStoreWorld,
) -> None:
    one = parameters.current("/a")
    seen = []
    for modified in (1_700_000_000.0, 1_700_000_001.0):
        found = row("/a", 1, modified)
        parameters.proxy.when(aws("GetParameter"), says({"Parameter": found}))
        parameters.proxy.when(aws("DescribeParameters"), says({"Parameters": [found]}))
        read, looked = parameters.read(one), look(parameters, one)
        assert isinstance(read, Value)
        assert isinstance(looked, Versions)
        assert read.version == looked.current
        seen.append(read.version)
    assert seen == ["1@1700000000", "1@1700000001"]


@pytest.mark.parametrize("select", [Select.PATH, Select.TREE])
def test_a_member_made_anew_changes_the_version_of_its_path(
    parameters: ParameterStoreWorld, select: Select
) -> None:
    one = path("/app", select)
    seen = set()
    for modified in (1_700_000_000.0, 1_700_000_001.0):
        found = says({"Parameters": [row("/app/a", 1, modified), row("/app/b", 1, 9.0)]})
        parameters.proxy.when(aws("GetParametersByPath"), found)
        parameters.proxy.when(aws("DescribeParameters"), found)
        read, looked = parameters.read(one), look(parameters, one)
        assert isinstance(read, Value)
        assert isinstance(looked, Versions)
        assert read.version == looked.current
        seen.add(read.version)
    assert len(seen) == 2


def test_dates_of_another_precision_make_no_other_version(parameters: ParameterStoreWorld) -> None:
    exact, plain = row("/a", 1, 1_700_000_000.888), row("/a", 1, 1_700_000_000)
    parameters.proxy.when(aws("GetParameter"), says({"Parameter": exact}))
    parameters.proxy.when(aws("DescribeParameters"), says({"Parameters": [plain]}))
    read, looked = (
        parameters.read(parameters.current("/a")),
        look(parameters, parameters.current("/a")),
    )
    assert isinstance(read, Value)
    assert isinstance(looked, Versions)
    assert read.version == looked.current


def test_a_pin_of_an_older_version_can_not_be_looked_at_for_its_date_is_not_described(
    parameters: ParameterStoreWorld,
) -> None:
    for value in (b"first", b"second"):
        parameters.put("/a", value)
    assert isinstance(look(parameters, parameters.pinned("/a", "1")), CannotLook)
    newest = look(parameters, parameters.pinned("/a", "2"))
    read = parameters.read(parameters.pinned("/a", "2"))
    assert isinstance(newest, Versions)
    assert isinstance(read, Value)
    assert newest.current == read.version


@pytest.mark.parametrize("pin", ["\u00b2", "\u0662", "0", "-1", ""])
def test_a_pin_that_is_no_number_chooses_none_or_the_newest(pin: str) -> None:
    seen = versions_of({"Name": "/a", "Version": 3}, pin)
    assert isinstance(seen, Versions)
    assert seen.current == (None if pin else "3")


def test_a_path_gives_its_members_by_last_segment(parameters: ParameterStoreWorld) -> None:
    for name in ("/app/user", "/app/password", "/app/deep/er", "/apple/pie"):
        parameters.put(name, name.encode())
    assert members(parameters, path("/app")) == {
        "user": b"/app/user",
        "password": b"/app/password",
    }
    assert members(parameters, path("/app", Select.TREE)) == {
        "user": b"/app/user",
        "password": b"/app/password",
        "er": b"/app/deep/er",
    }


def test_a_long_path_is_read_in_all_its_pages(parameters: ParameterStoreWorld) -> None:
    for number in range(23):
        parameters.put(f"/app/k{number}", b"x")
    assert len(members(parameters, path("/app"))) == 23
    assert parameters.operations() == ["GetParametersByPath"] * 3


def page(number: int, of: int, value: str) -> Action:
    """A page with so many members of a path that never ends."""
    rows = [row(f"/app/{number}-{one}", 1, 9.0) | {"Value": value} for one in range(of)]
    return says({"Parameters": rows, "NextToken": str(number + 1)})


@pytest.mark.parametrize(
    ("value", "said", "pages"),
    [("x", "more than 1000 parameters below /", 101), ("x" * 8192, "more than the 1 MiB", 13)],
)
def test_a_path_that_no_secret_could_hold_is_not_read_to_its_end(
    parameters: ParameterStoreWorld, value: str, said: str, pages: int
) -> None:
    for number in range(110):
        parameters.proxy.when(aws("GetParametersByPath"), page(number, 10, value))
    read = parameters.read(path("/", Select.TREE))
    assert isinstance(read, GiveUp)
    assert read.reason == "TooLarge"
    assert said in read.message
    assert "by key" in read.message
    assert parameters.operations() == ["GetParametersByPath"] * pages


def test_a_path_with_too_many_members_is_not_looked_at_to_its_end(
    parameters: ParameterStoreWorld,
) -> None:
    for number in range(30):
        parameters.proxy.when(aws("DescribeParameters"), page(number, 50, ""))
    seen = look(parameters, path("/", Select.TREE))
    assert isinstance(seen, GiveUp)
    assert seen.reason == "TooLarge"
    assert parameters.operations() == ["DescribeParameters"] * 21


def test_a_path_too_large_spoils_no_other_read(parameters: ParameterStoreWorld) -> None:
    parameters.put("/a", b"x")
    for number in range(110):
        parameters.proxy.when(aws("GetParametersByPath"), page(number, 10, "x" * 8192))
    one, whole = parameters.current("/a"), path("/", Select.TREE)
    answers = parameters.backend.read([whole, one])
    assert isinstance(answers[whole.entry], GiveUp)
    assert revealed(answers[one.entry]) == b"x"


def test_an_empty_path_has_no_members(parameters: ParameterStoreWorld) -> None:
    assert members(parameters, path("/nothing")) == {}


@pytest.mark.parametrize("select", [Select.PATH, Select.TREE])
def test_a_look_at_a_path_gives_the_version_of_its_read(
    parameters: ParameterStoreWorld, select: Select
) -> None:
    one = path("/app", select)
    digests = []
    for name in ("/app/a", "/app/b", "/app/a", "/app/deep/c"):
        parameters.put(name, b"x")
        read, seen = parameters.read(one), look(parameters, one)
        assert isinstance(read, Value)
        assert isinstance(seen, Versions)
        assert read.version == seen.current
        digests.append(read.version)
    assert len(set(digests)) == (4 if select is Select.TREE else 3)
    parameters.delete("/app/b")
    seen = look(parameters, one)
    assert isinstance(seen, Versions)
    assert seen.current not in digests


def test_members_that_end_alike_are_both_named(parameters: ParameterStoreWorld) -> None:
    parameters.put("/app/a/key", b"x")
    parameters.put("/app/b/key", b"y")
    read = parameters.read(path("/app", Select.TREE))
    assert isinstance(read, GiveUp)
    assert "/app/a/key" in read.message
    assert "/app/b/key" in read.message


def test_an_arn_is_read_alone_and_together(parameters: ParameterStoreWorld) -> None:
    parameters.put("/app/a", b"x")
    parameters.put("/app/b", b"y")
    arn = parameters.admin.get_parameter(Name="/app/a")["Parameter"]["ARN"]
    by_arn = reference(Kind.PARAMETER_STORE, arn, LATEST)
    assert revealed(parameters.read(by_arn)) == b"x"
    row = {"Name": "/app/a", "Value": "x", "Version": 1, "ARN": arn}
    other = {"Name": "/app/b", "Value": "y", "Version": 1, "ARN": "arn:b"}
    parameters.proxy.when(aws("GetParameters"), says({"Parameters": [row, other]}))
    answers = parameters.backend.read([by_arn, parameters.current("/app/b")])
    assert revealed(answers[by_arn.entry]) == b"x"


@pytest.mark.parametrize(("theirs", "expected"), [(False, Versions), (True, CannotLook)])
def test_an_arn_is_looked_at_by_name_and_only_in_its_own_account(
    parameters: ParameterStoreWorld, *, theirs: bool, expected: type
) -> None:
    parameters.put("/app/a", b"x")
    arn = parameters.admin.get_parameter(Name="/app/a")["Parameter"]["ARN"]
    row = {"Name": "/app/a", "Version": 4, "ARN": arn}
    rule = parameters.proxy.when(aws("DescribeParameters"), says({"Parameters": [row]}))
    key = arn.replace(":9", ":1") if theirs else arn
    seen = look(parameters, reference(Kind.PARAMETER_STORE, key, LATEST))
    assert isinstance(seen, expected)
    assert rule.met[0].json["ParameterFilters"][0]["Values"] == ["/app/a"]


def test_public_parameters_are_not_taken_for_missing(parameters: ParameterStoreWorld) -> None:
    seen = look(parameters, parameters.current("/aws/service/ami/latest"))
    assert isinstance(seen, CannotLook)


def test_denied_descriptions_can_not_look(parameters: ParameterStoreWorld) -> None:
    denied = refusal("AccessDeniedException", "no")
    parameters.proxy.when(aws("DescribeParameters"), denied, times=None)
    assert isinstance(look(parameters, parameters.current("/a")), CannotLook)
    assert isinstance(look(parameters, path("/app")), CannotLook)


def test_a_name_that_aws_refuses_blinds_no_other(parameters: ParameterStoreWorld) -> None:
    parameters.put("/a", b"x")
    bad, good = parameters.current("/b b"), parameters.current("/a")
    refused = refusal("ValidationException", "names may not hold blanks")
    parameters.proxy.when(
        lambda request: request.aws_operation == "DescribeParameters" and b"/b b" in request.body,
        refused,
        times=None,
    )
    looks = parameters.backend.look([bad, good])
    assert isinstance(looks[bad.entry], CannotLook)
    assert isinstance(looks[good.entry], Versions)


def test_a_denied_batch_is_replaced_by_single_reads(parameters: ParameterStoreWorld) -> None:
    references = [parameters.current("/a"), parameters.current("/b")]
    for one in references:
        parameters.put(one.key, b"x")
    denied = refusal("AccessDeniedException", "no")
    parameters.proxy.when(aws("GetParameters"), denied, times=None)
    for _time in range(2):
        answers = parameters.backend.read(references)
        assert [revealed(answers[one.entry]) for one in references] == [b"x", b"x"]
    assert parameters.operations() == ["GetParameters"] + ["GetParameter"] * 4


def test_descriptions_are_asked_for_fifty_at_a_time(parameters: ParameterStoreWorld) -> None:
    rule = parameters.proxy.when(aws("DescribeParameters"), says({"Parameters": []}), times=None)
    parameters.backend.sweep([parameters.current(f"/k{number}") for number in range(60)])
    assert [len(met.json["ParameterFilters"][0]["Values"]) for met in rule.met] == [50, 10]
    assert {met.json["MaxResults"] for met in rule.met} == {50}


def test_no_value_shows_in_texts(
    parameters: ParameterStoreWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    parameters.put("/app/a", b"canary")
    parameters.put("/app/b", b"canary")
    caplog.clear()
    references = [parameters.current("/app/a"), parameters.current("/app/b"), path("/app")]
    answers = parameters.backend.read(references)
    read = answers[references[2].entry]
    assert isinstance(read, Value)
    assert read.value == {"a": Redacted(b"canary"), "b": Redacted(b"canary")}
    assert "canary" not in repr(answers) + caplog.text
