"""What Terraform's providers for Google and Azure know: the attributes and blocks of each resource.

The providers themselves are programs of hundreds of megabytes; these lists are in packages that are
generated from them (https://developer.hashicorp.com/terraform/cdktf), each in its `.jsii`.
`python -m testbed.providers` installs the packages with npm, only with the pinned integrity, and
keeps the lists alone. Guarantees what exists and what is required; which values are allowed, they
do not tell.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed import cache, nodejs

PROVIDERS = ("google", "azurerm")

_PACKAGE = Path(__file__).parent / "providerpackages"
_FILES = (".npmrc", "package.json", "package-lock.json")
_NAME = re.compile(r"#([a-z0-9_]+) ")

Shape = dict[str, dict[str, Any]]
"""By name: `required`, and for a block its own shape as `block`."""


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return the folder with a list for each provider; raises CannotProvideError."""
    folder = cache.cache_folder() / f"providers-{_digest()}"
    if folder.is_dir():
        return folder
    with cache.scratch_folder(progress) as scratch:
        if not folder.is_dir():
            programs = nodejs.of_the_machine() or nodejs.in_cache()
            programs = programs or nodejs.install(scratch, progress)
            progress("reading what Terraform's providers know; this happens once per machine")
            _install(programs, scratch / "packages")
            (scratch / "lists").mkdir()
            for provider in PROVIDERS:
                package = scratch / "packages/node_modules/@cdktf" / f"provider-{provider}"
                shapes = read_package(json.loads((package / ".jsii").read_bytes()), provider)
                (scratch / "lists" / f"{provider}.json").write_text(json.dumps(shapes))
            (scratch / "lists").rename(folder)
    return folder


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take long."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "The lists of Terraform's providers are not on this machine yet. Run `make tools`, or "
            "`python -m testbed.providers`, once, and then try again."
        )

    return provide(refuse)


def shapes_of(provider: str) -> dict[str, Shape]:
    """All resources, and data sources as data.TYPE; raises CannotProvideError."""
    text = (provide_at_once() / f"{provider}.json").read_text()
    found: dict[str, Shape] = json.loads(text)
    return found


def read_package(package: Mapping[str, Any], provider: str) -> dict[str, Shape]:
    """The shapes of all resources, of a package's description."""
    types = package["types"]
    shapes: dict[str, Shape] = {}
    for name, described in types.items():
        config = types.get(f"{name}Config")
        if described["kind"] != "class" or config is None:
            continue
        kind = _resource(described, provider)
        if kind:
            shapes[kind] = _shape(config, types, (f"{name}Config",))
    return shapes


def _resource(described: Mapping[str, Any], provider: str) -> str:
    """Its name in Terraform, as its page's address has it; empty where it is none."""
    page = described.get("docs", {}).get("custom", {}).get("see") or ""
    page += described.get("docs", {}).get("summary") or ""
    found = re.search(r"/docs/(resources|data-sources)/([a-z0-9_]+)", page)
    if found is None:
        return ""
    prefix = "data." if found[1] == "data-sources" else ""
    return f"{prefix}{provider}_{found[2]}"


def _shape(config: Mapping[str, Any], types: Mapping[str, Any], above: tuple[str, ...]) -> Shape:
    shape: Shape = {}
    for each in config.get("properties", ()):
        docs = each.get("docs", {})
        found = _NAME.search(f"{docs.get('summary', '')} {docs.get('remarks', '')}")
        if found is None:
            continue
        inner = [name for name in _names(each["type"]) if name in types and name not in above]
        shape[found[1]] = {"required": not each.get("optional", False)}
        if inner:
            shape[found[1]]["block"] = _shape(types[inner[0]], types, (*above, inner[0]))
    return shape


def _names(kind: Mapping[str, Any]) -> list[str]:
    """The types that a property's type is made of, without those of the framework."""
    if "fqn" in kind:
        return [] if kind["fqn"].startswith("cdktf.") else [kind["fqn"]]
    if "collection" in kind:
        return _names(kind["collection"]["elementtype"])
    return [name for each in kind.get("union", {}).get("types", ()) for name in _names(each)]


def _install(programs: nodejs.NodeJs, target: Path) -> None:
    target.mkdir()
    for name in _FILES:
        shutil.copy(_PACKAGE / name, target / name)
    command = [*programs.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise cache.CannotProvideError(
            "The providers' lists could not be installed with npm. Look at the way to npm's "
            f"registry, or bring the folder {cache.cache_folder()} from a machine that has them. "
            f"npm said:\n{(done.stdout + done.stderr)[-2000:]}"
        )


def _digest() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in _FILES:
        digest.update((_PACKAGE / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
