"""The product's one idea, end to end on real parts: a change in AWS reaches the Secret."""

from worlds.spine import Spine


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
