"""Reads a CloudFormation template as plain data, for tests of what moto does not act out.

`!Ref X` becomes {"Ref": "X"} and `!GetAtt X.Arn` {"Fn::GetAtt": "X.Arn"}, as in a template in JSON.
Nothing is resolved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_NAMED_WITHOUT_PREFIX = ("Ref", "Condition")


class _Loader(yaml.SafeLoader):
    """A loader of its own, so that no other YAML learns CloudFormation's tags."""


def _intrinsic(loader: _Loader, function: str, node: yaml.Node) -> dict[str, Any]:
    key = function if function in _NAMED_WITHOUT_PREFIX else f"Fn::{function}"
    if isinstance(node, yaml.MappingNode):
        return {key: loader.construct_mapping(node, deep=True)}
    if isinstance(node, yaml.SequenceNode):
        return {key: loader.construct_sequence(node, deep=True)}
    return {key: node.value}


_Loader.add_multi_constructor("!", _intrinsic)


def read_template(template: Path) -> dict[str, Any]:
    """Return the template's sections."""
    # The loader is safe: it derives from SafeLoader and makes dicts and lists only.
    sections: dict[str, Any] = yaml.load(template.read_text(), Loader=_Loader)  # noqa: S506
    return sections
