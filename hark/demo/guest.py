"""The demo as a guest in a Kubernetes cluster: what it makes there, and how it takes that away.

Fed by any kubeconfig of an administrator; feeds the stage, and testbed.installation, which starts
the halves with the ServiceAccounts' kubeconfigs made here. Guarantees: only what this guest made
itself is ever deleted (by its uid), and nothing that was there before is changed.
"""

import json
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from externalsecret.errors import HarkError
from externalsecret.kubeapi import GROUP_PATH, ApiRefusal, ApiRetry, connect
from hark.demo.outcome import Refused

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"
_EXTERNAL_SECRETS = f"{GROUP_PATH}/externalsecrets"
_TOKEN_SECONDS = 24 * 3600
_WATCH_SECONDS = 60
_GONE_SECONDS = 90.0


class Guest:
    """A cluster, and the list of what was made in it."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """Kubeconfigs of ServiceAccounts go to `folder`. HarkError if this one is of no use."""
        self.kubeconfig = kubeconfig.absolute()
        self._api = connect(str(self.kubeconfig))
        self._folder = folder
        self._place = _cluster_of(self.kubeconfig)
        self._made: dict[str, str] = {}

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._place["server"])

    def refuse_if_used(self, definition: str) -> None:
        """Refused where the CRD of this name, or an ExternalSecret, exists."""
        advice = (
            "The demo only begins in a cluster without them, so that it can take away all that it "
            "makes. Give it another cluster, or leave out --cluster and it starts one of its own."
        )
        if self.find(f"{CRDS}/{definition}"):
            raise Refused(f"The cluster at {self.server} has the definition {definition}. {advice}")
        if self.external_secrets():
            raise Refused(f"The cluster at {self.server} has ExternalSecrets. {advice}")

    def find(self, path: str) -> dict[str, Any] | None:
        """An object; None where there is none."""
        try:
            return self._api.request("GET", path)
        except ApiRefusal as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def external_secrets(self) -> list[dict[str, Any]]:
        """All in the cluster; none where it does not know what that is."""
        found: list[dict[str, Any]] = (self.find(_EXTERNAL_SECRETS) or {}).get("items", [])
        return found

    def ask(self, collection: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """Post what leaves nothing behind, such as a TokenRequest; the answer."""
        return self._api.request("POST", collection, body=question)

    def create(self, collection: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object; Refused if somebody else's stands there."""
        path = f"{collection}/{manifest['metadata']['name']}"
        try:
            made = self._api.request("POST", collection, body=manifest)
        except ApiRetry as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            raise Refused(
                f"{path} exists already in the cluster at {self.server}. The demo does not touch "
                "what it did not make: delete it if nobody needs it, or use another cluster."
            ) from error
        self._made[path] = made["metadata"]["uid"]
        return made

    def create_if_absent(self, collection: str, manifest: Mapping[str, Any]) -> None:
        """Make an object unless this guest has made it already."""
        if f"{collection}/{manifest['metadata']['name']}" not in self._made:
            self.create(collection, manifest)

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, server: str | None = None
    ) -> Path:
        """A kubeconfig with a token of a ServiceAccount, for a day."""
        accounts = f"{NAMESPACES}/{namespace}/serviceaccounts"
        self.create_if_absent(accounts, {"metadata": {"name": name}})
        asked = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        token = self.ask(f"{accounts}/{name}/token", asked)["status"]["token"]
        path = self._folder / f"{namespace}-{name}.kubeconfig"
        path.touch(mode=0o600)
        place = self._place if server is None else {"server": server}
        path.write_text(json.dumps(_kubeconfig(place, token)))
        return path

    def watch(self, collection: str, name: str) -> Iterator[dict[str, Any]]:
        """The states of one object from now on, as they come. The watch is open on return."""
        now = self._api.request("GET", collection, query={"limit": "1"})
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": now["metadata"]["resourceVersion"],
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        lines = self._api.stream(
            collection, query=query, accept="application/json", read_timeout=_WATCH_SECONDS
        )
        return (line["object"] for line in lines)

    def spare(self, path: str) -> None:
        """Do not delete this although this guest made it."""
        self._made.pop(path, None)

    def remove(self) -> list[str]:
        """Delete what was made, last things first; what did not go away in time."""
        for path in reversed(self._made):
            self._delete(path)
        deadline = time.monotonic() + _GONE_SECONDS
        left = list(self._made)
        while left and time.monotonic() < deadline:
            left = [path for path in left if self._is_there(path)]
            time.sleep(0.1 if left else 0)
        return left

    def _delete(self, path: str) -> None:
        options = {
            "propagationPolicy": "Background",
            "preconditions": {"uid": self._made[path]},
        }
        try:
            self._api.request("DELETE", path, body=options)
        except HarkError:
            # Gone, somebody else's by now, or still there: `remove` looks.
            return

    def _is_there(self, path: str) -> bool:
        try:
            found = self.find(path)
        except HarkError:
            return True
        return found is not None and found["metadata"]["uid"] == self._made[path]


def _cluster_of(kubeconfig: Path) -> dict[str, Any]:
    """The cluster of the current context, with a certificate's path made absolute."""
    config = yaml.safe_load(kubeconfig.read_text())
    contexts = {each["name"]: each["context"] for each in config["contexts"]}
    clusters = {each["name"]: each["cluster"] for each in config["clusters"]}
    place: dict[str, Any] = dict(clusters[contexts[config["current-context"]]["cluster"]])
    if "certificate-authority" in place:
        authority = kubeconfig.parent / place["certificate-authority"]
        place["certificate-authority"] = str(authority)
    return place


def _kubeconfig(place: Mapping[str, Any], token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "demo", "cluster": dict(place)}],
        "users": [{"name": "demo", "user": {"token": token}}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
        "current-context": "demo",
    }
