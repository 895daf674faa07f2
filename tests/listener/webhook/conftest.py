"""An open webhook for each test that asks for one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from worlds.webhook import Hook, plan

Open = Callable[..., Hook]


@pytest.fixture
def open_hook(tmp_path: Path) -> Iterator[Open]:
    """Opens webhooks, by default with one shared secret, and closes them at the end."""
    opened: list[Hook] = []

    def make(**options: Any) -> Hook:
        hook = Hook(options.pop("plan", None) or plan(tmp_path), **options)
        opened.append(hook)
        return hook

    yield make
    for hook in opened:
        hook.close()


@pytest.fixture
def hook(open_hook: Open) -> Hook:
    """A webhook behind which somebody listens."""
    found = open_hook()
    found.listen()
    return found
