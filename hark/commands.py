"""What the command line can do, and what it says about it.

Fed by sys.argv and the environment; feeds hark.__main__ with an exit code:

    0  ended as asked
    1  failed
    2  the command line or a setting makes no sense; a sentence on stderr says which

The halves are imported only when they are run, so that `hark crd` needs no cloud SDK.
"""

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from externalsecret import definitions
from externalsecret.errors import HarkError
from hark import installvalues, testevent
from hark.cost import options as cost
from hark.environmenthelp import told_to
from hark.logs import set_up_logs
from hark.settings import read_settings

_INVALID = 2
_FAILED = 1
_HALVES = {
    "listen": (
        "hark.listening",
        "hear of changes and note them (needs no right to read any secret value)",
    ),
    "reconcile": ("hark.reconciling", "read what changed and make the Secrets true again"),
    "run": ("hark.running", "both halves in one process"),
}


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = make_parser().parse_args(argv)
    action: Callable[[argparse.Namespace, Mapping[str, str]], int] = arguments.action
    try:
        return action(arguments, os.environ if environ is None else environ)
    except HarkError as error:
        print(f"hark: {error}", file=sys.stderr)
        return _INVALID if error.reason == "InvalidSetting" else _FAILED
    except BrokenPipeError:
        # The reader of `hark crd | head` has had enough; Python would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def make_parser() -> argparse.ArgumentParser:
    """What understands a command line; it ends the process where there is nothing to understand."""
    ends = "exit codes: 0 ended as asked, 1 failed, 2 bad usage or settings"
    parser: argparse.ArgumentParser = _described(
        argparse.ArgumentParser,
        "Keeps Kubernetes Secrets equal to the secrets in your cloud, by listening for changes.",
        f"{told_to('')}\n\n{ends}",
        prog="hark",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, meaning) in _HALVES.items():
        half = _described(
            commands.add_parser, _sentence(meaning), told_to(name), name, help=meaning
        )
        half.set_defaults(action=_run_half, module=module)
    _add_diff(commands)
    _add_test_event(commands)
    _add_install_values(commands)
    _add_sweep(commands)
    _add_cost(commands)
    _add_demo(commands)
    meaning = "print the definition of ExternalSecret, for kubectl apply"
    example = "hark crd | kubectl apply --server-side --force-conflicts -f -"
    crd = _described(commands.add_parser, _sentence(meaning), example, "crd", help=meaning)
    crd.set_defaults(action=_print_crd)
    meaning = "print the version"
    version = _described(commands.add_parser, _sentence(meaning), "", "version", help=meaning)
    version.set_defaults(action=_print_version)
    return parser


def _add_diff(commands: Any) -> None:
    meaning = "show what reconciling would do to the Secrets, without writing or printing values"
    told = (
        "It reads values with the credentials of its environment and asks the API server for dry\n"
        "runs with those of the kubeconfig, which need the rights of the real writes.\n\n"
        "exit codes: 0 no entry of any Secret would change, 1 some would or are refused, 2 failed"
    )
    diff = _described(
        commands.add_parser,
        _sentence(meaning),
        f"{told}\n\n{told_to('diff')}",
        "diff",
        help=meaning,
    )
    diff.add_argument("names", nargs="*", metavar="NAME", help="ExternalSecrets; default: all")
    diff.add_argument("-n", "--namespace", help="only this namespace")
    diff.add_argument("-o", "--output", choices=("table", "json"), default="table")
    diff.add_argument(
        "--timeout", default="2m", metavar="DURATION", help="longest wait for all (default: 2m)"
    )
    diff.set_defaults(action=_runs("hark.diff.command"))


def _add_test_event(commands: Any) -> None:
    meaning = testevent.MEANING
    description = _sentence(meaning)
    command = _described(
        commands.add_parser, description, testevent.DETAILS, "test-event", help=meaning
    )
    testevent.add_arguments(command)
    command.set_defaults(action=testevent.run)


def _add_install_values(commands: Any) -> None:
    description = _sentence(installvalues.MEANING)
    command = _described(
        commands.add_parser,
        description,
        installvalues.DETAILS,
        "install-values",
        help=installvalues.MEANING,
    )
    installvalues.add_arguments(command)
    command.set_defaults(action=installvalues.run)


def _add_sweep(commands: Any) -> None:
    meaning = "ask the reconciler that leads to compare all versions now"
    told = (
        "It annotates the Lease hark-reconciler; the kubeconfig must allow to get and patch it.\n"
        "Versions are compared by metadata alone; the reconciler then reads what changed."
    )
    sweep = _described(commands.add_parser, _sentence(meaning), told, "sweep", help=meaning)
    sweep.add_argument("--now", action="store_true", required=True, help="what there is to ask for")
    sweep.add_argument("-n", "--namespace", help="that of the reconciler (default: POD_NAMESPACE)")
    sweep.add_argument("--wait", metavar="DURATION", help="wait so long until it has ended")
    sweep.set_defaults(action=_runs("hark.sweepnow"))


def _add_cost(commands: Any) -> None:
    description = _sentence(cost.MEANING)
    command = _described(commands.add_parser, description, cost.DETAILS, "cost", help=cost.MEANING)
    cost.add_arguments(command)
    command.set_defaults(action=_runs("hark.cost.command"))


def _add_demo(commands: Any) -> None:
    meaning = "watch it work on this machine, without a cloud"
    demo = _described(commands.add_parser, _sentence(meaning), "", "demo", help=meaning)
    demo.add_argument(
        "--keep", action="store_true", help="leave everything running until Ctrl-C at the end"
    )
    demo.add_argument(
        "--cluster",
        metavar="PATH",
        help="kubeconfig of a cluster to use instead of one that the demo starts itself",
    )
    demo.set_defaults(action=_run_demo)


def _described(
    make: Callable[..., Any], description: str, epilog: str, *names: str, **options: Any
) -> Any:
    return make(
        *names,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )


def _sentence(meaning: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]}."


def _run_half(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    settings = read_settings(environ)
    set_up_logs(settings.log_level, settings.log_format)
    code: int = importlib.import_module(arguments.module).run(settings)
    return code


def _runs(module: str) -> Callable[[argparse.Namespace, Mapping[str, str]], int]:
    """What a command does, by a module that is imported only then."""

    def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
        code: int = importlib.import_module(module).run(arguments, environ)
        return code

    return run


def _run_demo(arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    code: int = importlib.import_module("hark.demo").run(arguments)
    return code


def _print_crd(_arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    sys.stdout.write(definitions.crd())
    sys.stdout.flush()
    return 0


def _print_version(_arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    try:
        version = importlib.metadata.version("hark")
    except importlib.metadata.PackageNotFoundError:
        version = "from a source tree that is not installed"
    print(f"hark {version}")
    return 0
