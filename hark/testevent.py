"""`hark test-event`: does my queue reach my listener? What the command line says of it.

Used by hark.commands; hark.testsend does the work, and is imported only then, for help needs
neither half.
"""

import argparse
import importlib
from collections.abc import Mapping

_OPTIONS = {
    "queue": ("URL", "send into this SQS queue"),
    "event_bus": ("NAME", "send to this EventBridge bus, such as default"),
    "pubsub": ("TOPIC", "publish to this Pub/Sub topic, projects/PROJECT/topics/TOPIC"),
    "storage_queue": ("URL", "send into this Azure storage queue"),
    "eventgrid": (
        "URL",
        "publish to the topic of this subscription (as in HARK_EVENTGRID_SUBSCRIPTIONS)",
    ),
}

MEANING = "send a harmless message through a queue, to see that it reaches the listener"
DETAILS = """\
The message is sent with your own credentials, from the environment that each cloud's SDK reads
(AWS_*, AZURE_*, GOOGLE_APPLICATION_CREDENTIALS), not with those of Hark's listener, which may
only receive. What sending needs: sqs:SendMessage or events:PutEvents; the role Pub/Sub Publisher;
Storage Queue Data Message Sender; EventGrid Data Sender. HARK_AZURE_STORAGE_CONNECTION_STRING
and HARK_EVENTGRID_KEY count here too.

exit codes: 0 sent, 1 not sent, 2 bad usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which queue: exactly one."""
    group = parser.add_mutually_exclusive_group(required=True)
    for name, (metavar, meaning) in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=meaning)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Send; the exit code. Raises Retry and GiveUp."""
    code: int = importlib.import_module("hark.testsend").run(arguments, environ)
    return code
