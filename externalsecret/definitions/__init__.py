"""What a cluster must hold before Hark can run in it: the CRD, and the rights of each half.

The YAML files beside this module are the one source of them. They feed the chart, `hark demo`, the
tests and the sentence with which Hark refuses to start under a foreign CRD. The rights come as
roles only; who is bound to them, and in which namespace the lease lies, is the installer's affair.
"""

import importlib.resources
from typing import Any, Literal

import yaml

Half = Literal["listener", "reconciler"]


def crd() -> str:
    """Return the CustomResourceDefinition of ExternalSecret as YAML text, comments included."""
    return _text("crd.yaml")


def rights(half: Half) -> list[dict[str, Any]]:
    """Return the roles that a half needs: a ClusterRole first, then Roles that name no namespace.

    The Roles belong into the namespace in which the half runs.
    """
    return list(yaml.safe_load_all(_text(f"{half}-rights.yaml")))


def recreate_rights() -> list[dict[str, Any]]:
    """Return the role that the reconciler needs too where a spec says `onTypeChange: Recreate`."""
    return list(yaml.safe_load_all(_text("recreate-rights.yaml")))


def tokenreview_rights() -> list[dict[str, Any]]:
    """Return the role that the listener needs too where the webhook reviews tokens."""
    return list(yaml.safe_load_all(_text("tokenreview-rights.yaml")))


def _text(name: str) -> str:
    return importlib.resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
