"""Policies: what becomes of the Secret when its ExternalSecret goes, or when it cannot be patched.

Fed by an ExternalSecret's raw spec; feeds the writer of Secrets. kubernetes-external-secrets knows
neither: what is absent means what that one does.
"""

from collections.abc import Mapping
from typing import Any


def retains(spec: Mapping[str, Any]) -> bool:
    """Whether the Secret stays when the ExternalSecret goes: nothing ties the two together then."""
    return spec.get("deletionPolicy") == "Retain"


def recreates(spec: Mapping[str, Any]) -> bool:
    """Whether a Secret that Kubernetes does not let us change is deleted and made anew."""
    return spec.get("onTypeChange") == "Recreate"
