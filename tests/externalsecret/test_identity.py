import pytest

from externalsecret import identity
from externalsecret.identity import Arn, SecretId, account_of_role, parse_arn

ACCOUNT = "123456789012"
ARN = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret"


def typed(key: str) -> SecretId:
    """What a manifest or a caller of the API typed."""
    return identity.secrets_manager(key)


def whole(arn: str) -> SecretId:
    """What AWS itself wrote."""
    found = identity.secrets_manager_arn(arn)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("key", "announced", "matches"),
    [
        ("shop/db", f"{ARN}:shop/db-AbCdEf", True),
        (f"{ARN}:shop/db-AbCdEf", f"{ARN}:shop/db-AbCdEf", True),
        # A partial ARN: the last part of the name may look like a suffix.
        (f"{ARN}:shop/db", f"{ARN}:shop/db-AbCdEf", True),
        (f"{ARN}:shop/db-backup", f"{ARN}:shop/db-backup-AbCdEf", True),
        (f"{ARN}:shop/db-backup", f"{ARN}:shop/db-AbCdEf", True),
        # A recreated secret has a new suffix, and is what the manifest means.
        (f"{ARN}:shop/db-AbCdEf", f"{ARN}:shop/db-ZyXwVu", True),
        # A name that ends like a suffix.
        ("shop/db-backup", f"{ARN}:shop/db-backup-AbCdEf", True),
        ("shop/db-backup", f"{ARN}:shop/db-AbCdEf", False),
        ("shop/db", f"{ARN}:shop/db-backup-AbCdEf", False),
        # Names of managed secrets and every sign that a name may hold.
        ("rds!db-0a1b2c", f"{ARN}:rds!db-0a1b2c-AbCdEf", True),
        ("events!connection/x/1-2", f"{ARN}:events!connection/x/1-2-AbCdEf", True),
        ("a/_+=.@-!", f"{ARN}:a/_+=.@-!-AbCdEf", True),
        ("Shop/db", f"{ARN}:shop/db-AbCdEf", False),
        # Replicas keep name and suffix; only the Region differs.
        (f"{ARN}:db-AbCdEf".replace("eu-central-1", "us-east-1"), f"{ARN}:db-AbCdEf", False),
        (f"{ARN}:db-AbCdEf".replace(ACCOUNT, "210987654321"), f"{ARN}:db-AbCdEf", False),
        (f"{ARN}:db-AbCdEf".replace("aws", "aws-cn", 1), f"{ARN}:db-AbCdEf", False),
    ],
)
def test_a_key_and_an_announced_arn_are_matched_by_name_and_scope(
    key: str, announced: str, *, matches: bool
) -> None:
    assert typed(key).matches(whole(announced)) is matches
    assert whole(announced).matches(typed(key)) is matches


def test_what_aws_wrote_has_one_reading_and_what_somebody_typed_may_have_two() -> None:
    assert whole(f"{ARN}:db-AbCdEf").names() == ("db",)
    assert typed(f"{ARN}:db-AbCdEf").names() == ("db", "db-AbCdEf")
    assert typed(f"{ARN}:db").names() == ("db",)
    assert typed("db-AbCdEf").names() == ("db-AbCdEf",)


@pytest.mark.parametrize("text", ["db", "arn:aws:ssm:eu-central-1:1:parameter/db", ""])
def test_what_is_no_arn_of_a_secret_is_not_taken_for_one(text: str) -> None:
    assert identity.secrets_manager_arn(text) is None
    assert typed(text).names() == (text,)


@pytest.mark.parametrize(
    ("key", "announced", "matches"),
    [
        ("/shop/db", "arn:aws:ssm:eu-central-1:1:parameter/shop/db", True),
        ("shop/db", "arn:aws:ssm:eu-central-1:1:parameter/shop/db", True),
        ("db", "arn:aws:ssm:eu-central-1:1:parameter/db", True),
        ("/db", "arn:aws:ssm:eu-central-1:1:parameter/shop/db", False),
        ("arn:aws:ssm:us-east-1:1:parameter/db", "arn:aws:ssm:eu-central-1:1:parameter/db", False),
    ],
)
def test_a_parameters_leading_slash_folds_into_its_arn(
    key: str, announced: str, *, matches: bool
) -> None:
    assert identity.parameter(key).matches(identity.parameter(announced)) is matches


def test_names_of_two_systems_never_match() -> None:
    assert not typed("db").matches(identity.parameter("db"))


def test_what_one_side_does_not_know_excludes_nothing() -> None:
    bare = typed("db")
    assert bare.matches(bare.within(region="eu-central-1", account=ACCOUNT, partition="aws"))
    assert not bare.within(region="a").matches(bare.within(region="b"))
    assert not bare.within(account="1").matches(bare.within(account="2"))


def test_scope_is_filled_in_only_where_it_was_not_known() -> None:
    scoped = whole(f"{ARN}:db-AbCdEf").within(region="us-east-1", account="1", partition="aws-cn")
    assert (scoped.region, scoped.account, scoped.partition) == ("eu-central-1", ACCOUNT, "aws")


@pytest.mark.parametrize(
    ("text", "arn"),
    [
        ("arn:aws:iam::1:role/path/name", Arn("aws", "iam", "", "1", "role/path/name")),
        ("arn:aws:s:r:a:x:y:z", Arn("aws", "s", "r", "a", "x:y:z")),
        ("arn:aws:iam::1", None),
        ("arn::iam::1:role/name", None),
        ("arn:aws:::1:role/name", None),
        ("arn:aws:iam::1:", None),
        ("urn:aws:iam::1:role/name", None),
        ("", None),
    ],
)
def test_an_arn_has_six_parts(text: str, arn: Arn | None) -> None:
    assert parse_arn(text) == arn


@pytest.mark.parametrize(
    ("role", "expected"),
    [(f"arn:aws:iam::{ACCOUNT}:role/r", ("aws", ACCOUNT)), ("r", ("", "")), ("", ("", ""))],
)
def test_a_role_tells_the_account_that_is_read(role: str, expected: tuple[str, str]) -> None:
    assert account_of_role(role) == expected
