"""What is special about Google's Secret Manager; what all backends promise is tested elsewhere."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.reference import Reference
from reconciler.backends.contract import CannotLook, Look, Value, Versions
from reconciler.backends.googlesecretmanager import GoogleSecretManager
from testbed.actions import Action, answer, hang_up, pass_on
from testbed.exchange import Exchange
from testbed.request import Request, any_request
from testbed.secretmanager import refusal
from worlds.backends import revealed
from worlds.google import NUMBER, PROJECT, GoogleWorld, reference, secret_name

DB = reference("db")


def _look(world: GoogleWorld, one: Reference) -> Look:
    return world.backend.look([one])[one.entry]


def _refused(world: GoogleWorld, one: Reference = DB) -> HarkError:
    read = world.read(one)
    assert isinstance(read, HarkError), read
    return read


def _info(reason: str, **metadata: str) -> Mapping[str, Any]:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "metadata": metadata}


# What is read.


def test_answers_tell_the_projects_number(google: GoogleWorld) -> None:
    google.put("db", b"x")
    read, look = google.read(DB), _look(google, DB)
    assert isinstance(read, Value)
    assert isinstance(look, Versions)
    assert read.resource == look.resource == f"projects/{NUMBER}/secrets/db"


def test_a_project_may_be_named_by_its_number(google: GoogleWorld) -> None:
    google.put("db", b"x")
    one = reference("db", project=NUMBER)
    assert revealed(google.open(NUMBER).read([one])[one.entry]) == b"x"


def test_a_regional_secret_is_not_the_global_one_of_its_name(google: GoogleWorld) -> None:
    google.put("db", b"global")
    google.manager.add(secret_name("db", "europe-west3"), b"regional")
    one = reference("db", location="europe-west3")
    backend = google.open(f"{PROJECT}/europe-west3")
    read, look = backend.read([one])[one.entry], backend.look([one])[one.entry]
    assert revealed(read) == b"regional"
    assert isinstance(look, Versions)
    assert look.resource == f"projects/{NUMBER}/locations/europe-west3/secrets/db"
    assert revealed(google.read(DB)) == b"global"


def test_an_alias_tells_which_version_it_chose(google: GoogleWorld) -> None:
    first, second = google.put("db", b"first"), google.put("db", b"second")
    google.manager.alias(secret_name("db"), "live", first)
    live = reference("db", "live")
    for version, value in ((first, b"first"), (second, b"second"), (first, b"first")):
        google.manager.alias(secret_name("db"), "live", version)
        read, look = google.read(live), _look(google, live)
        assert revealed(read) == value
        assert isinstance(read, Value)
        assert isinstance(look, Versions)
        assert read.version == look.current == version


@pytest.mark.parametrize("version", ["nowhere", "7"])
def test_an_alias_or_number_that_is_not_there_is_given_up(
    google: GoogleWorld, version: str
) -> None:
    google.put("db", b"x")
    error = _refused(google, reference("db", version))
    assert isinstance(error, GiveUp)
    assert error.reason == "NotFound"
    assert f"versions/{version}" in error.message
    assert isinstance(_look(google, reference("db", version)), GiveUp)


def test_a_secret_without_versions_is_given_up(google: GoogleWorld) -> None:
    google.manager.create(secret_name("db"))
    error = _refused(google)
    assert error.reason == "NotFound"
    assert "has no versions" in error.message
    assert "that version of it" in error.message


def test_a_value_of_no_bytes_is_a_value(google: GoogleWorld) -> None:
    google.put("db", b"")
    assert revealed(google.read(DB)) == b""


@pytest.mark.parametrize(
    "body", [b"{}", b'{"status": "ok"}', b'{"name": "projects/1/secrets/other/versions/1"}']
)
def test_an_answer_about_nothing_is_no_value(google: GoogleWorld, body: bytes) -> None:
    google.put("db", b"x")
    google.always(answer(200, body, {"Content-Type": "application/json"}))
    for found in (google.read(DB), _look(google, DB)):
        assert isinstance(found, Retry), found
        assert "not Secret Manager's" in found.message


def test_nobody_is_followed_elsewhere(google: GoogleWorld) -> None:
    google.put("db", b"x")
    there = f"{google.server.url}/v1/{secret_name('db')}/versions/latest:access"
    google.always(answer(307, b"", {"Location": there}))
    assert isinstance(google.read(DB), Retry)
    assert not google.server.calls


# What cannot be read.


def test_the_latest_is_the_newest_even_where_it_is_disabled(google: GoogleWorld) -> None:
    google.put("db", b"old")
    version = google.put("db", b"new")
    google.manager.disable(secret_name("db"), version)
    error, look = _refused(google), _look(google, DB)
    assert isinstance(error, GiveUp)
    assert error.reason == "Disabled"
    assert f"[projects/{NUMBER}/secrets/db/versions/{version}] is in DISABLED" in error.message
    assert "Enable that version of the secret db" in error.message
    assert isinstance(look, Versions)
    assert (look.current, look.gone_reason) == (version, "Disabled")
    assert look.gone.startswith(f"Version {version} of the secret db is disabled. Enable")
    google.manager.enable(secret_name("db"), version)
    assert revealed(google.read(DB)) == b"new"
    look = _look(google, DB)
    assert isinstance(look, Versions)
    assert not look.gone


def test_a_destroyed_version_is_gone_for_good(google: GoogleWorld) -> None:
    version = google.put("db", b"x")
    google.manager.destroy(secret_name("db"), version)
    error, look = _refused(google), _look(google, DB)
    assert isinstance(error, GiveUp)
    assert error.reason == "Destroyed"
    assert "Add a new version of the secret db" in error.message
    assert isinstance(look, Versions)
    assert look.gone_reason == "Destroyed"
    assert f"Version {version} of the secret db is destroyed." in look.gone


@pytest.mark.parametrize(
    ("action", "kind", "reason", "advice"),
    [
        (
            refusal(403, "PERMISSION_DENIED", "Permission denied (or it may not exist)."),
            GiveUp,
            "Denied",
            "roles/secretmanager.secretAccessor",
        ),
        (
            refusal(403, "PERMISSION_DENIED", "API off", details=(_info("SERVICE_DISABLED"),)),
            GiveUp,
            "ApiDisabled",
            "Enable the Secret Manager API",
        ),
        (
            refusal(
                403,
                "PERMISSION_DENIED",
                "Scopes",
                details=(_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT"),),
            ),
            GiveUp,
            "ScopeMissing",
            "cloud-platform",
        ),
        (refusal(401, "UNAUTHENTICATED", "Bad token."), Retry, "NoCredentials", "the clock"),
        (refusal(400, "INVALID_ARGUMENT", "No."), GiveUp, "InvalidKey", "Correct the secret db"),
        (
            refusal(400, "FAILED_PRECONDITION", "Cloud KMS key is disabled."),
            GiveUp,
            "KmsDenied",
            "may decrypt",
        ),
        (refusal(400, "FAILED_PRECONDITION", "Odd."), GiveUp, "BackendRefused", "Odd."),
        (refusal(409, "ABORTED", "Again."), Retry, "BackendUnavailable", "Again."),
        (refusal(500, "INTERNAL", "Oops."), Retry, "BackendUnavailable", "Oops."),
        (refusal(504, "DEADLINE_EXCEEDED", "Slow."), Retry, "BackendUnavailable", "Slow."),
        (answer(502, b"<html>secret</html>"), Retry, "BackendUnavailable", "HTTP 502 in place of"),
        (answer(403, b"<html>secret</html>"), GiveUp, "Denied", "HTTP 403 in place of"),
        (answer(418, b"<html>secret</html>"), GiveUp, "BackendRefused", "HTTP 418 in place of"),
        (answer(403, b'{"error": "secret"}'), Retry, "BackendUnavailable", "check the endpoint"),
        (answer(200, b"<html>secret</html>"), Retry, "BackendUnavailable", "check the endpoint"),
        (hang_up, Retry, "BackendUnreachable", "127.0.0.1"),
    ],
)
def test_each_failure_says_what_to_do(
    google: GoogleWorld, action: Action, kind: type[HarkError], reason: str, advice: str
) -> None:
    google.put("db", b"x")
    google.always(action)
    error = _refused(google)
    assert isinstance(error, kind)
    assert error.reason == reason
    assert advice in error.message
    assert "<html>" not in error.message
    assert error.__cause__ is None
    google.heal()
    assert revealed(google.read(DB)) == b"x"


@pytest.mark.parametrize(
    ("details", "headers", "after"),
    [
        (({"@type": "google.rpc.RetryInfo", "retryDelay": "12.5s"},), {}, 12.5),
        ((), {"Retry-After": "9"}, 9.0),
        (({"retryDelay": "3s"},), {"Retry-After": "9"}, 9.0),
        (({"retryDelay": "99999s"},), {}, 300.0),
        (({"retryDelay": "soon"},), {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ((), {}, None),
    ],
)
def test_the_wait_that_a_throttle_asks_for_is_kept(
    google: GoogleWorld,
    details: tuple[Mapping[str, Any], ...],
    headers: Mapping[str, str],
    after: float | None,
) -> None:
    google.always(refusal(429, "RESOURCE_EXHAUSTED", "Quota.", details=details, headers=headers))
    error = _refused(google)
    assert isinstance(error, Retry)
    assert error.after == after


def test_the_sdk_tries_nothing_again_by_itself(google: GoogleWorld) -> None:
    google.always(refusal(503, "UNAVAILABLE", "Away."))
    before = google.calls()
    assert isinstance(google.read(DB), Retry)
    assert google.calls() == before + 1


# Checksums.


def test_a_value_that_arrived_damaged_is_read_once_more(google: GoogleWorld) -> None:
    google.put("db", b"x")
    google.manager.corrupt(secret_name("db"))

    def mend(exchange: Exchange) -> None:
        google.manager.corrupt(secret_name("db"), is_corrupt=False)
        pass_on(exchange)

    def is_second(_request: Request) -> bool:
        return len(google.proxy.log) > 1

    google.proxy.when(is_second, mend)
    assert revealed(google.read(DB)) == b"x"
    assert google.server.calls["AccessSecretVersion"] == 2


def test_a_value_that_goes_on_arriving_damaged_is_never_used(google: GoogleWorld) -> None:
    google.put("db", b"canary")
    google.manager.corrupt(secret_name("db"))
    error = _refused(google)
    assert isinstance(error, Retry)
    assert error.reason == "BadChecksum"
    assert "canary" not in error.message
    assert google.server.calls["AccessSecretVersion"] == 2


# Looks.


def test_denied_metadata_leaves_the_looking_to_a_read(google: GoogleWorld) -> None:
    google.put("db", b"x")

    def is_metadata(request: Request) -> bool:
        return not request.path.endswith(":access")

    denied = refusal(403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.get' denied.")
    google.proxy.when(is_metadata, denied, times=None)
    assert isinstance(_look(google, DB), CannotLook)
    assert isinstance(google.backend.sweep([DB])[DB.entry], CannotLook)
    assert revealed(google.read(DB)) == b"x"


def test_a_look_costs_no_access(google: GoogleWorld) -> None:
    google.put("db", b"x")
    assert isinstance(_look(google, DB), Versions)
    assert google.backend.sweep([DB])
    assert google.server.calls == {"GetSecretVersion": 2}


def test_a_look_tells_when_a_version_was_made_and_how_old_it_is(google: GoogleWorld) -> None:
    made = datetime(2026, 1, 2, 3, 4, 5, 500000, UTC)
    google.manager.make_as_of(made)
    google.put("db", b"x")
    backend = GoogleSecretManager(google.access, PROJECT, now=lambda: made.timestamp() + 60)
    look = backend.look([DB])[DB.entry]
    assert isinstance(look, Versions)
    assert (look.made, look.age) == (made.timestamp(), 60.0)


def test_a_sweep_keeps_to_the_quota_of_looks(google: GoogleWorld) -> None:
    now = 1000.0
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    backend = GoogleSecretManager(google.access, PROJECT, clock=lambda: now, sleep=sleep)
    references = [reference(f"k{number}") for number in range(100)]
    backend.sweep(references)
    # Sixty at once; the last of the others waits for its turn at eight a second.
    assert len(slept) == 40
    assert max(slept) == pytest.approx(40 / 8)
    assert google.server.calls == {"GetSecretVersion": 100}


# Many.


def test_a_hundred_keys_at_once_take_a_hundred_calls_and_not_a_hundred_round_trips(
    google: GoogleWorld,
) -> None:
    references = [reference(f"k{number}") for number in range(100)]
    for one in references:
        google.put(one.key, one.key.encode())
    google.read(references[0])
    before = google.server.calls["AccessSecretVersion"]

    four = threading.Barrier(4)

    def meet(exchange: Exchange) -> None:
        # Fewer would wait here for the others in vain.
        four.wait(60)
        pass_on(exchange)

    google.proxy.when(any_request, meet, times=None)
    answers = google.backend.read(references)
    assert google.server.calls["AccessSecretVersion"] - before == 100
    assert {revealed(answers[one.entry]) for one in references} == {
        one.key.encode() for one in references
    }
