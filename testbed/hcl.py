"""Terraform's language: takes files apart, and works expressions out; by a small program of Go over
the library that Terraform uses itself.

`python -m testbed.hcl` provides the program (seconds, once per machine). It knows no provider:
what a resource may have is in providers.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import cache, gobuild

_MODULE = Path(__file__).parent / "gohcl"


class HclError(Exception):
    """A file or an expression that makes no sense; the message is what the library said."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a file, such as a resource."""

    kind: str
    labels: tuple[str, ...]
    line: int
    attributes: Mapping[str, str]
    """The text of each expression."""
    references: frozenset[str]
    """What the expressions name, such as var.name; those of inner blocks are there."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file in its parts, and as it looks when formatted."""

    formatted: str
    blocks: tuple[Block, ...]


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return the program, built on first use; raises CannotProvideError."""
    return gobuild.provide_go_program("hcl", _MODULE, progress)


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take long."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "The reader of Terraform's language is not on this machine yet. Run `make tools`, or "
            "`python -m testbed.hcl`, once, and then try again."
        )

    return provide(refuse)


def take_apart(texts: Mapping[str, str]) -> dict[str, File]:
    """Files by name. Raises HclError."""
    answer = _ask({"files": texts})["files"]
    faults = [each["fault"] for each in answer.values() if each["fault"]]
    if faults:
        raise HclError("\n".join(faults))
    return {
        name: File(each["formatted"], tuple(map(_block, each["blocks"])))
        for name, each in answer.items()
    }


def work_out(expressions: Mapping[str, str], scope: Mapping[str, Any]) -> dict[str, Any]:
    """What each expression is in this scope: JSON, or an HclError in its place."""
    answer = _ask({"expressions": expressions, "scope": scope})["values"]
    return {
        name: HclError(each["fault"]) if each["fault"] else each["value"]
        for name, each in answer.items()
    }


def _block(answer: Mapping[str, Any]) -> Block:
    attributes = answer["attributes"]
    return Block(
        kind=answer["kind"],
        labels=tuple(answer["labels"]),
        line=answer["line"],
        attributes={name: each["text"] for name, each in attributes.items()},
        references=frozenset(name for each in attributes.values() for name in each["references"]),
        blocks=tuple(map(_block, answer["blocks"])),
    )


def _ask(question: Mapping[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [str(provide_at_once())],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HclError(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
