"""boto3's descriptions of the AWS services, read once for all tests of a process.

Each boto3 session reads and parses them anew, which is most of what a client costs; tests make
hundreds of sessions, so that none shares a credential or a connection with another. What is
shared here are the files alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader


@pytest.fixture(scope="session", autouse=True)
def _descriptions_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        loader = JSONFileLoader()
        read = cache(loader.load_file)
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: read(path))
        yield
