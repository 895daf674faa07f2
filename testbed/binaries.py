"""Provides the programs of a Kubernetes control plane.

These are kube-apiserver, kube-controller-manager, etcd and kubectl. Feeds controlplane.py; `python
-m testbed.binaries` prints the folder. Looked for in the folder that KUBEBUILDER_ASSETS names, in
our cache, in the envtest archive and, as the last resort, built from Go modules (about four
minutes on two cores, once per machine). The envtest archives have no kube-controller-manager,
without which nothing is garbage-collected, so that one is always built.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from testbed import cache, envtest, gobuild

KUBERNETES = "v1.35.0"
ETCD = "v3.6.5"

_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_IN_ENVTEST = ("etcd", "kube-apiserver", "kubectl")
_GO_MODULE = Path(__file__).parent / "gomodule"
# The commit of the tag v1.35.0; programs built from a module have no repository to take it from.
_KUBERNETES_COMMIT = "66452049f3d692768c39c797b21b793dce80314e"


def provide(progress: cache.Progress = cache.print_progress) -> Path:
    """Return a folder that holds the four programs; raises CannotProvideError."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return _complete(Path(assets).absolute(), progress)
    return _ensure(_PACKAGES, progress)


def provide_at_once() -> Path:
    """Do as `provide`, but raise CannotProvideError where that would take minutes."""

    def refuse(_line: str) -> None:
        raise cache.CannotProvideError(
            "The programs of the control plane are not on this machine yet. Run "
            "`python -m testbed.binaries` once, which may take minutes, and then try again."
        )

    # Progress is reported only when there is something to wait for.
    return provide(refuse)


def _complete(assets: Path, progress: cache.Progress) -> Path:
    missing = [name for name in _IN_ENVTEST if not (assets / name).is_file()]
    if missing:
        raise cache.CannotProvideError(
            f"KUBEBUILDER_ASSETS is {assets}, which has no {', '.join(missing)}. Point it to a "
            "folder that has them, or unset it and they are provided."
        )
    if (assets / "kube-controller-manager").is_file():
        return assets
    ours = _ensure(("kube-controller-manager",), progress)
    digest = hashlib.sha256(str(assets).encode()).hexdigest()[:16]
    merged = ours.with_name(f"{ours.name}-with-{digest}")
    merged.mkdir(exist_ok=True)
    for name in _PACKAGES:
        origin = assets if name in _IN_ENVTEST else ours
        link = merged / f".{name}.{os.getpid()}"
        link.symlink_to(origin / name)
        link.replace(merged / name)
    return merged


def _ensure(names: Iterable[str], progress: cache.Progress) -> Path:
    key = f"kubernetes-{KUBERNETES}-etcd-{ETCD}-{cache.platform_name()}"
    folder = cache.cache_folder() / key

    def missing() -> list[str]:
        return [name for name in names if not (folder / name).is_file()]

    if not missing():
        return folder
    with cache.scratch_folder(progress) as scratch:
        if any(name in _IN_ENVTEST for name in missing()):
            for name in envtest.download(KUBERNETES, scratch, progress):
                if name in missing():
                    cache.publish(scratch / name, folder / name)
        if missing():
            _build(missing(), folder, scratch, progress)
    return folder


def _build(names: list[str], folder: Path, scratch: Path, progress: cache.Progress) -> None:
    tools = gobuild.toolchain(scratch, progress, gobuild.least_go(_GO_MODULE))
    major, minor, _patch = KUBERNETES.removeprefix("v").split(".")
    variables = {
        "gitVersion": KUBERNETES,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": _KUBERNETES_COMMIT,
        "gitTreeState": "archive",
    }
    stamps = [
        f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items()
    ]
    linker_flags = " ".join(("-s", "-w", *stamps))
    progress(f"building the control plane with {tools.go}; this happens once per machine")
    for name in names:
        output = scratch / name
        arguments = ["build", "-trimpath", "-ldflags", linker_flags, "-o", str(output)]
        tools.run(f"building {name}", [*arguments, _PACKAGES[name]], _GO_MODULE)
        cache.publish(output, folder / name)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{provide()}\n")
    except cache.CannotProvideError as error:
        sys.exit(str(error))
