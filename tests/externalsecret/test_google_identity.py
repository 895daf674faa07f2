import pytest

from externalsecret.identity import google_learned, google_resource, google_secret


@pytest.mark.parametrize(
    "resource",
    [
        "projects/4711/secrets/db",
        "projects/4711/secrets/db/versions/3",
        "//secretmanager.googleapis.com/projects/4711/secrets/db",
    ],
)
def test_a_resource_name_gives_the_id_of_its_secret(resource: str) -> None:
    assert google_resource(resource) == google_secret("db", "4711")


def test_a_regional_resource_name_gives_its_location() -> None:
    named = google_resource("projects/4711/locations/europe-west3/secrets/db/versions/3")
    assert named == google_secret("db", "4711", "europe-west3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "db",
        "projects/1",
        "projects/1/topics/x",
        "projects//secrets/x",
        "projects/1/secrets/x/y",
        "projects/1/secrets/x\n/versions/1/z",
    ],
)
def test_what_is_no_resource_name_gives_none(text: str) -> None:
    assert google_resource(text) is None


def test_a_project_is_known_by_its_number_once_an_answer_named_it() -> None:
    written = google_secret("db", "shop-prod")
    announced = google_secret("db", "4711")
    # Until then it may be that project or another one.
    assert written.matches(announced)
    assert not written.is_surely_of(announced)
    assert not written.matches(google_secret("db", "shop-test"))
    learned = google_learned(written, "projects/4711/secrets/db")
    assert learned.matches(announced)
    assert learned.is_surely_of(announced)
    assert announced.matches(learned)
    assert learned.matches(google_secret("db", "shop-prod"))
    assert not learned.matches(google_secret("db", "4712"))
    assert not learned.matches(google_secret("other", "4711"))


def test_a_secret_without_a_project_matches_every_one_until_it_is_known() -> None:
    written = google_secret("db")
    assert written.matches(google_secret("db", "1"))
    learned = google_learned(written, "projects/4711/secrets/db")
    assert learned.matches(google_secret("db", "4711"))
    assert not learned.matches(google_secret("db", "1"))


def test_an_answer_that_tells_nothing_new_changes_nothing() -> None:
    written = google_secret("db", "4711")
    assert google_learned(written, "projects/4711/secrets/db") == written
    assert google_learned(written, "nonsense") == written


def test_a_regional_secret_is_no_global_one_of_its_name() -> None:
    regional = google_secret("db", "4711", "europe-west3")
    assert not regional.matches(google_secret("db", "4711"))
    assert not regional.matches(google_secret("db", "4711", "us-central1"))
