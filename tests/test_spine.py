"""The product's one idea, end to end on real parts: a change in AWS reaches the Secret."""

from worlds.spine import Spine, await_until


def test_a_change_that_is_announced_reaches_the_secret_by_one_read(spine: Spine) -> None:
    spine.create("db", {"user": "app", "password": "first"})
    reconciler = spine.reconciler()
    spine.listener()
    keys = [
        {"key": "db", "name": "user", "property": "user"},
        {"key": "db", "name": "password", "property": "password"},
    ]
    spine.apply("app", {"roleArn": spine.role, "data": keys})
    spine.await_data("app", user=b"app", password=b"first")

    spine.change_and_announce("db", {"user": "app", "password": "second"})

    spine.await_data("app", user=b"app", password=b"second")
    assert reconciler.metric("hark_reconciler_value_reads_total") == 2


def test_a_change_heard_before_its_reader_was_known_is_noted_when_it_appears(spine: Spine) -> None:
    spine.create("db", "first")
    listener = spine.listener()
    version = spine.change_and_announce("db", "second")
    ignored = "hark_listener_messages_ignored_total"
    await_until(lambda: listener.metric(ignored), lambda count: count == 1, "it concerned nobody")

    spine.apply("app", {"data": [{"key": "db", "name": "password"}]})

    def heard() -> set[str]:
        keys = spine.status("app").get("keys") or {}
        return {leaves["heard"]["version"] for leaves in keys.values()}

    await_until(heard, lambda versions: versions == {version}, "the note stands")
