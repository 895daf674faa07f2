"""A Terraform module without Terraform: its blocks, what is wrong with them, and what its outputs
are, given variables and what the cloud would answer.

Fed by testbed/hcl.py (the language) and testbed/providers.py (what providers know).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.hcl import Block, File, HclError, take_apart, work_out
from testbed.providers import Shape

Shapes = Mapping[str, Shape]

_META = {"for_each", "count", "provider", "depends_on"}
_META_BLOCKS = {"lifecycle"}
_PREFIXES = ("google_", "azurerm_", "azapi_")
# azapi speaks Azure's own API, whose bodies no list has; these are its resource's own words
# (Azure/azapi, "azapi_resource" in its documentation).
AZAPI: Shapes = {
    "azapi_resource": {
        "type": {"required": True},
        "name": {"required": False},
        "parent_id": {"required": False},
        "body": {"required": False},
    },
    "data.azapi_resource": {
        "type": {"required": True},
        "resource_id": {"required": False},
        "response_export_values": {"required": False},
    },
}


@dataclass(frozen=True, slots=True)
class Module:
    """The .tf files of a folder."""

    texts: Mapping[str, str]
    files: Mapping[str, File]

    def blocks(self, kind: str) -> list[Block]:
        return [each for file in self.files.values() for each in file.blocks if each.kind == kind]

    def variables(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All variables: those given and the defaults."""
        defaults = {
            block.labels[0]: block.attributes["default"]
            for block in self.blocks("variable")
            if "default" in block.attributes
        }
        return {**_checked(work_out(defaults, {})), **given}

    def refusals(self, given: Mapping[str, Any]) -> list[str]:
        """The messages of the validations that these variables do not pass."""
        conditions, messages = {}, {}
        for block in self.blocks("variable"):
            for number, each in enumerate(block.blocks):
                key = f"{block.labels[0]} {number}"
                conditions[key] = each.attributes["condition"]
                messages[key] = each.attributes["error_message"]
        passed = _checked(work_out(conditions, {"var": self.variables(given)}))
        said = _checked(work_out(messages, {}))
        return [said[key] for key, fine in passed.items() if not fine]

    def outputs(self, given: Mapping[str, Any], cloud: Mapping[str, Any]) -> dict[str, Any]:
        """What the outputs are; `cloud` has what resources answer, by type and name."""
        scope = self.scope(given, cloud)
        return _checked(
            work_out(
                {each.labels[0]: each.attributes["value"] for each in self.blocks("output")}, scope
            )
        )

    def scope(self, given: Mapping[str, Any], cloud: Mapping[str, Any]) -> dict[str, Any]:
        """Variables, locals and the cloud, for expressions of the module."""
        waiting = {
            name: text for block in self.blocks("locals") for name, text in block.attributes.items()
        }
        known: dict[str, Any] = {}
        outcomes: dict[str, Any] = {}
        while waiting:
            scope = {**cloud, "var": self.variables(given), "local": known}
            outcomes = work_out(waiting, scope)
            settled = {k: v for k, v in outcomes.items() if not isinstance(v, HclError)}
            if not settled:
                break
            known.update(settled)
            waiting = {name: text for name, text in waiting.items() if name not in settled}
        _checked({name: outcomes[name] for name in waiting})
        return {**cloud, "var": self.variables(given), "local": known}


def read_module(folder: Path) -> Module:
    """Read a module of ours."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf"))}
    return Module(texts, take_apart(texts))


def faults(module: Module, shapes: Shapes) -> list[str]:
    """What no provider would take: unknown resources and words, and words that are missing."""
    found: list[str] = []
    for kind, prefix in (("resource", ""), ("data", "data.")):
        for block in module.blocks(kind):
            name = prefix + block.labels[0]
            where = f"{name}.{block.labels[1]}"
            if name in shapes:
                found += _block_faults(block, shapes[name], where, _META)
            else:
                found.append(f"{where}: no provider has {name}")
    return [*found, *_dangling(module)]


def _block_faults(block: Block, shape: Shape, where: str, meta: set[str]) -> Iterator[str]:
    inner = {_inner_name(each): each for each in block.blocks if each.kind not in _META_BLOCKS}
    given = {name for name in block.attributes if name not in meta}
    for name in sorted(given | set(inner)):
        if name not in shape:
            yield f"{where}: {name} is unknown"
        elif name in inner and "block" not in shape[name]:
            yield f"{where}: {name} is no block"
        elif name in inner:
            content = inner[name]
            if content.kind == "dynamic":
                [content] = content.blocks
            yield from _block_faults(content, shape[name]["block"], f"{where}.{name}", set())
    for name, each in shape.items():
        if each["required"] and name not in given | set(inner):
            yield f"{where}: {name} is missing"


def _inner_name(block: Block) -> str:
    return block.labels[0] if block.kind == "dynamic" else block.kind


def _dangling(module: Module) -> Iterator[str]:
    """References to what the module does not have."""
    declared = {f"var.{each.labels[0]}" for each in module.blocks("variable")}
    declared |= {f"local.{name}" for each in module.blocks("locals") for name in each.attributes}
    declared |= {".".join(each.labels) for each in module.blocks("resource")}
    declared |= {"data." + ".".join(each.labels) for each in module.blocks("data")}
    everything = list(_all(block for file in module.files.values() for block in file.blocks))
    used = {name for block in everything for name in block.references}
    for name in sorted(used):
        root = name.split(".")[0]
        parts = 3 if root == "data" else 2
        ours = root in {"var", "local", "data"} or root.startswith(_PREFIXES)
        if ours and ".".join(name.split(".")[:parts]) not in declared:
            yield f"{name} is declared nowhere"
    for name in sorted(declared):
        if name.startswith(("var.", "local.")) and not any(
            f"{each}.".startswith(f"{name}.") for each in used
        ):
            yield f"{name} is used nowhere"


def _all(blocks: Iterator[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from _all(iter(block.blocks))


def _checked(outcomes: Mapping[str, Any]) -> dict[str, Any]:
    for name, outcome in outcomes.items():
        if isinstance(outcome, HclError):
            raise HclError(f"{name}: {outcome}")
    return dict(outcomes)
