"""One kind of source to try on this machine: `python -m testbed.trial pubsub|azurite|openbao`.

Starts the server, makes in it what a listener hears, and prints what to type in another terminal:
the environment for Hark, and a command by which something is to be heard. Runs until Ctrl-C; then
all is gone. docs/sources/try.md tells the way around it.
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed import azurite, cache
from testbed.openbao import TOKEN, OpenBaoServer
from testbed.pubsub import PubSubServer

_NAME = "hark"
_PROJECT = "trial"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to type: variables, and a command."""

    environment: Mapping[str, str]
    command: tuple[str, ...]


@contextmanager
def _pubsub() -> Iterator[Trial]:
    from testbed.topics import Topics  # noqa: PLC0415 - its SDK only for those who want it

    with PubSubServer() as server:
        topics = Topics(server.address, _PROJECT)
        environment = {
            "PUBSUB_EMULATOR_HOST": server.address,
            "HARK_PUBSUB_SUBSCRIPTIONS": topics.make(_NAME),
        }
        topics.close()
        yield Trial(environment, (*_hark(), "test-event", "--pubsub", topics.topic(_NAME)))


@contextmanager
def _azurite() -> Iterator[Trial]:
    from azure.storage.queue import QueueClient  # noqa: PLC0415 - as above

    with azurite.AzuriteServer() as server:
        opened = azurite.connection_string(server.url)
        queue = QueueClient.from_connection_string(opened, _NAME)
        queue.create_queue()
        queue.close()
        url = f"{server.url}/{azurite.ACCOUNT}/{_NAME}"
        environment = {
            "HARK_AZURE_STORAGE_CONNECTION_STRING": opened,
            "HARK_AZURE_STORAGE_QUEUES": url,
        }
        yield Trial(environment, (*_hark(), "test-event", "--storage-queue", url))


@contextmanager
def _openbao() -> Iterator[Trial]:
    with OpenBaoServer() as server:
        environment = {
            "VAULT_ADDR": server.url,
            "VAULT_TOKEN": TOKEN,
            "BAO_ADDR": server.url,
            "BAO_TOKEN": TOKEN,
            "HARK_VAULT_SOURCE": "poll",
            "HARK_VAULT_POLL_INTERVAL": "2s",
        }
        bao = str(Path(sys.executable).with_name("bao"))
        yield Trial(environment, (bao, "kv", "put", "secret/app", "password=first"))


_KINDS: Mapping[str, Callable[[], AbstractContextManager[Trial]]] = {
    "pubsub": _pubsub,
    "azurite": _azurite,
    "openbao": _openbao,
}


def _hark() -> tuple[str, ...]:
    return (sys.executable, "-m", "hark")


def _main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.trial",
        description="Run a server that Hark can listen to until Ctrl-C, and say how to use it.",
    )
    parser.add_argument("kind", choices=_KINDS)
    kind = parser.parse_args().kind
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        with _KINDS[kind]() as trial:
            sys.stdout.write("It is ready. In another terminal, here:\n\n")
            for name, text in trial.environment.items():
                sys.stdout.write(f"  export {name}={shlex.quote(text)}\n")
            sys.stdout.write(f"\n  {shlex.join(trial.command)}\n\n")
            sys.stdout.write("Ctrl-C ends it, with all that it holds.\n")
            sys.stdout.flush()
            signal.pause()
    except cache.CannotProvideError as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    _main()
