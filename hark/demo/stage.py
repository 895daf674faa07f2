"""Starts the demo's parts and stops them: a cluster, AWS, the wires between, both halves.

Fed by hark.demo.perform; feeds the acts. Between each half and AWS stands a proxy that counts what
passes. Guarantees: at the end, however it comes, every process is gone; a cluster that was given
holds what it held before, and what could not be removed from it is named.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from externalsecret import definitions
from externalsecret.errors import HarkError
from externalsecret.kubeapi import GROUP_PATH
from hark.demo.cloud import Cloud
from hark.demo.guest import CRDS, NAMESPACES, Guest
from hark.demo.outcome import Refused, Unexpected, await_until
from hark.demo.screen import Screen
from testbed import binaries
from testbed.actions import pass_on
from testbed.controlplane import ControlPlane
from testbed.installation import Half, HarkProcess, Installation, grant
from testbed.moto import MotoServer
from testbed.proxy import WireProxy
from testbed.request import aws

SYSTEM = "hark-system"
TENANT = "hark-demo"
HALVES: tuple[Half, Half] = ("listener", "reconciler")
_ROOT = Path(__file__).resolve().parents[2]
EVENTS_TEMPLATE = _ROOT / "infra" / "aws" / "hark-events.yaml"
SECRET_TEMPLATE = _ROOT / "infra" / "aws" / "example-db-secret.yaml"
MANIFEST = _ROOT / "examples" / "aws" / "external-secret.yaml"


class Stage:
    """All parts, from `with` on. The halves start when an act asks for them."""

    guest: Guest
    cloud: Cloud
    kubectl: str
    queue_url: str
    """Of AWS, not of the wire between it and a half."""

    def __init__(self, screen: Screen, kubeconfig: Path | None) -> None:
        """`kubeconfig` is that of a cluster to use; None starts one."""
        self._screen = screen
        self._kubeconfig = kubeconfig
        self._stack = ExitStack()
        self.definition: dict[str, Any] = yaml.safe_load(definitions.crd())
        self.wires: dict[Half, WireProxy] = {}
        self.processes: dict[Half, list[HarkProcess]] = {"listener": [], "reconciler": []}

    def __enter__(self) -> Self:
        _check_files()
        with ExitStack() as stack:
            temporary = tempfile.TemporaryDirectory(prefix="hark-demo-")
            folder = Path(stack.enter_context(temporary))
            if self._kubeconfig is None:
                self._start_a_cluster(stack, folder)
            else:
                self._visit_a_cluster(stack, self._kubeconfig, folder)
            self._start_a_cloud(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def install_rights(self) -> None:
        """Two ServiceAccounts in SYSTEM with the rights of production, and a tenant's namespace."""
        for namespace in (SYSTEM, TENANT):
            self.guest.create(NAMESPACES, {"metadata": {"name": namespace}})
        for half in HALVES:
            grant(self.guest, half, definitions.rights(half), SYSTEM)

    def install_definition(self) -> None:
        """Apply the CRD and wait until the API server serves it."""
        self.guest.create(CRDS, self.definition)
        await_until(
            lambda: self.guest.find(f"{GROUP_PATH}/externalsecrets?limit=1"),
            lambda found: found is not None,
            "The API server does not serve the definition.",
        )

    def set_up_halves(self, queue_path: str) -> None:
        """Give the halves all that they will be told, without starting them."""
        self.queue_url = f"{self.cloud.url}/{queue_path}"
        settings = {"HARK_SQS_QUEUE_URLS": f"{self.wires['listener'].url}/{queue_path}"}
        self._installation = self._stack.enter_context(Installation(self.guest, SYSTEM, settings))

    def start(self, half: Half) -> HarkProcess:
        """Start a half; it is not ready yet."""
        environment = self._moto.env(endpoint=self.wires[half].url)
        process = self._installation.start(half, environment=environment)
        self.processes[half].append(process)
        return process

    def value_reads(self) -> int:
        """Values that Hark asked AWS for, counted on both wires."""
        single = sum(wire.count(aws("GetSecretValue")) for wire in self.wires.values())
        batches = [request.json for rule in self._batches for request in rule.met]
        return single + sum(len(batch.get("SecretIdList", ())) for batch in batches)

    def _start_a_cluster(self, stack: ExitStack, folder: Path) -> None:
        programs = binaries.provide(self._screen.say)
        plane = stack.enter_context(ControlPlane(programs=programs))
        self.guest = Guest(plane.admin_kubeconfig, folder)
        self.kubectl = str(plane.kubectl)

    def _visit_a_cluster(self, stack: ExitStack, kubeconfig: Path, folder: Path) -> None:
        self.guest = Guest(kubeconfig, folder)
        self.guest.refuse_if_used(self.definition["metadata"]["name"])
        self.kubectl = "kubectl"
        stack.callback(self._tidy_up)

    def _start_a_cloud(self, stack: ExitStack) -> None:
        self._moto = stack.enter_context(MotoServer())
        self.cloud = Cloud(self._moto)
        for half in HALVES:
            self.wires[half] = stack.enter_context(WireProxy(self._moto.url))
        self._batches = [
            wire.when(aws("BatchGetSecretValue"), pass_on, times=None)
            for wire in self.wires.values()
        ]

    def _tidy_up(self) -> None:
        spared = self._is_used_by_others()
        if spared:
            self.guest.spare(f"{CRDS}/{self.definition['metadata']['name']}")
        # Nothing is printed before: whoever reads may be gone.
        left = self.guest.remove()
        if left:
            raise Unexpected(f"Some of what the demo made is still there: {', '.join(left)}.")
        self._screen.say("What the demo made in the cluster was removed.")
        if spared:
            self._screen.say("Only the definition stays, as there are ExternalSecrets of others.")

    def _is_used_by_others(self) -> bool:
        """Whether the definition serves ExternalSecrets that came later, as far as we can see."""
        try:
            found = self.guest.external_secrets()
        except HarkError:
            return True
        return any(each["metadata"]["namespace"] != TENANT for each in found)


def _check_files() -> None:
    missing = [file for file in (EVENTS_TEMPLATE, SECRET_TEMPLATE, MANIFEST) if not file.is_file()]
    if missing:
        raise Refused(
            f"{missing[0]} is missing. The demo plays with files of Hark's repository: run it in a "
            "clone, with `make demo` or `python -m hark demo`."
        )
