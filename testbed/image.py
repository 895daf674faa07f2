"""Builds the image of Dockerfile, with docker or buildah, whichever is there.

`make image` runs it: `python -m testbed.image [--tag NAME] [--extras aws,templates]`. Fed by
Dockerfile, pyproject.toml (the version) and git (the revision). Guarantees that the labels say what
was built; a machine with neither program gets a sentence. The builder pulls the base and fetches
packages the way it is set up to.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Answers = Callable[[list[str]], bool]


class NoBuilderError(Exception):
    """Nothing here can build an image; the message is a sentence that says what to do."""


def builder(answers: Answers | None = None) -> list[str]:
    """The command that builds, without arguments. Raises NoBuilderError.

    docker counts only where its daemon answers: many machines have the command alone.
    """
    asks = _answers if answers is None else answers
    if asks(["docker", "info"]):
        return ["docker", "build"]
    if asks(["buildah", "--version"]):
        return ["buildah", "build"]
    raise NoBuilderError(
        "There is no docker whose daemon answers and no buildah on this machine. Start docker, or "
        "install buildah (Debian: apt-get install buildah), and run `make image` again."
    )


def build_arguments(tag: str, arguments: Mapping[str, str]) -> list[str]:
    """What goes after the builder's name; an empty argument leaves Dockerfile's default."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items() if value]
    return [*given, "--tag", tag, str(ROOT)]


def version() -> str:
    """The project's."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        text: str = tomllib.load(file)["project"]["version"]
    return text


def labels() -> dict[str, str]:
    """The build arguments that only say what was built, and when."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return {
        "VERSION": version(),
        "REVISION": _git("rev-parse", "HEAD"),
        "CREATED": now.isoformat().replace("+00:00", "Z"),
    }


def _git(*arguments: str) -> str:
    """What git says of this checkout; empty where there is no git or no repository."""
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _answers(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.image")
    parser.add_argument("--tag", default=f"hark:{version()}")
    parser.add_argument("--extras", default="", help="parts, by commas; default: all")
    given = parser.parse_args()
    command = [*builder(), *build_arguments(given.tag, {**labels(), "EXTRAS": given.extras})]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except NoBuilderError as problem:
        sys.exit(str(problem))
