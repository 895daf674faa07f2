"""Rights in AWS that are no more than secretsmanager:GetSecretValue: dearer, and it works."""

import json

from testbed.actions import answer
from testbed.request import Head
from worlds.wired import SINGLE_READ, Wired

WISHED_FOR = {"BatchGetSecretValue", "DescribeSecret", "ListSecrets", "ListSecretVersionIds"}
"""What the stack allows besides."""

DENIAL = json.dumps({"__type": "AccessDeniedException", "message": "not authorized"}).encode()


def _is_wished_for(head: Head) -> bool:
    return head.aws_operation in WISHED_FOR


def test_with_the_right_to_get_values_alone_secrets_are_made_and_follow_their_events(
    wired: Wired,
) -> None:
    spine = wired.spine
    names = ["db", "mail", "shop"]
    wired.aws.when(_is_wished_for, answer(400, DENIAL), times=None)
    for name in names:
        spine.create(name, "first")
        wired.serve(name, name)
    wired.reconciler()
    wired.listener()
    for name in names:
        spine.await_reason(name, "Synced")

    versions = {name: spine.change_and_announce(name, "second") for name in names}

    for name in names:
        wired.await_synced(name, versions[name])
        assert spine.data(name) == {name: b"second"}
    assert wired.forwarded(wired.aws, SINGLE_READ) == 2 * len(names)
    wired.await_worked_off()
