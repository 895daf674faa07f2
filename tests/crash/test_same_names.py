"""One key name in two regions and two accounts: a change touches only who reads that very one."""

from dataclasses import dataclass
from typing import Any

from testbed import awsstack
from testbed.moto import Moto
from worlds.wired import Wired

KEY = "db"


@dataclass(frozen=True)
class Place:
    account: str
    region: str

    def manager(self, moto: Moto) -> Any:
        """A client as the administrator of the account, past any proxy."""
        session = awsstack.session(moto.env(self.account))
        return session.client("secretsmanager", endpoint_url=moto.url, region_name=self.region)

    def spec(self) -> dict[str, Any]:
        return {
            "roleArn": f"arn:aws:iam::{self.account}:role/app",
            "region": self.region,
            "data": [{"key": KEY, "name": KEY}],
        }


def test_the_same_name_in_another_region_or_account_is_another_secret(
    wired: Wired, moto: Moto
) -> None:
    spine = wired.spine
    another = f"8{spine.account[1:]}"
    places = {
        "here": Place(spine.account, spine.region),
        "elsewhere": Place(spine.account, "us-east-1"),
        "others": Place(another, spine.region),
    }
    wired.reconciler()
    wired.listener()
    for name, place in places.items():
        place.manager(moto).create_secret(Name=KEY, SecretString=f"first of {name}")
        spine.apply(name, place.spec())
    for name in places:
        spine.await_reason(name, "Synced")
    reads = wired.reads()

    changed: set[str] = set()
    for name, place in places.items():
        changed.add(name)
        put = place.manager(moto).put_secret_value(SecretId=KEY, SecretString=f"second of {name}")
        moved = wired.label_moved(
            KEY, put["VersionId"], f"of {name}", account=place.account, region=place.region
        )
        wired.deliver(moved)
        wired.await_synced(name, put["VersionId"])
        # The message is done with: whoever else it might have touched would have its note.
        wired.await_worked_off()
        assert {one for one in places if wired.heard(one)} == changed
        assert wired.reads() == reads + len(changed)
    for name in places:
        assert spine.data(name) == {KEY: f"second of {name}".encode()}
