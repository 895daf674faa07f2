"""The command `hark diff`: arguments in, report and exit code out.

Fed by hark.commands. Exit codes are those of diff and kubectl diff: 0 nothing would change, 1
something would, 2 it could not be told.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace

from externalsecret.duration import parse_duration
from externalsecret.errors import GiveUp, HarkError
from hark.diff import report
from hark.diff.look import look
from hark.diff.verdict import HARMLESS
from hark.logs import set_up_logs
from hark.settings import read_settings

_SAME = 0
_DIFFERENT = 1
_FAILED = 2


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the report; the exit code."""
    try:
        settings = read_settings(environ)
        set_up_logs("error", settings.log_format)
        if arguments.namespace:
            settings = replace(settings, watched_namespaces=(arguments.namespace,))
        verdicts, reads = look(settings, arguments.names, _patience(arguments.timeout))
        missing = set(arguments.names) - {one.key[1] for one in verdicts}
        if missing:
            raise GiveUp(
                f"No ExternalSecret that this installation serves is named {min(missing)}; "
                "mind the namespace, WATCHED_NAMESPACES and INSTANCE_ID.",
                reason="NotFound",
            )
    except HarkError as error:
        print(f"hark: {error}", file=sys.stderr)
        return _FAILED
    told = report.as_json if arguments.output == "json" else report.as_table
    print(told(verdicts, reads))
    return _SAME if all(one.would in HARMLESS for one in verdicts) else _DIFFERENT


def _patience(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise GiveUp(f"--timeout={text} {error}. Example: 2m", reason="InvalidSetting") from None
