"""A Kubernetes API server that is already up: plain requests to it, and identities in it.

Fed with a kubeconfig whose user may do everything (ours, from controlplane.py). Needs nothing but
the standard library, so that it judges the product from outside of the product's own Kubernetes
client. A kubeconfig is YAML, of which JSON is a part: ours are written as JSON.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MERGE_PATCH = "application/merge-patch+json"

_TOKEN_SECONDS = 24 * 3600
_REQUEST_SECONDS = 30.0


class ApiError(Exception):
    """The API server refused a request; `code` is the HTTP status."""

    def __init__(self, code: int, body: str) -> None:
        """Keep the answer's status and its body."""
        super().__init__(f"HTTP {code}: {body[:500]}")
        self.code = code
        self.body = body


class Cluster:
    """One API server, seen with the rights of its administrator."""

    def __init__(self, admin_kubeconfig: Path, folder: Path) -> None:
        """Read a kubeconfig of `write_kubeconfig`; those made later go to `folder`."""
        config = json.loads(admin_kubeconfig.read_text())
        self.admin_kubeconfig = admin_kubeconfig
        self.folder = folder
        self.url: str = config["clusters"][0]["cluster"]["server"]
        self.ca_file = Path(config["clusters"][0]["cluster"]["certificate-authority"])
        self._token: str = config["users"][0]["user"]["token"]

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        content_type: str = "application/json",
        token: str | None = None,
    ) -> dict[str, Any]:
        """Send one request, as the administrator unless a token is given; returns the answer.

        Raises ApiError when the server refuses, OSError when it is away.
        """
        status, text = self._exchange(method, path, body, content_type, token or self._token)
        if status >= http.client.BAD_REQUEST:
            raise ApiError(status, text)
        answer: dict[str, Any] = json.loads(text) if text.startswith("{") else {"text": text}
        return answer

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, server: str | None = None
    ) -> Path:
        """Return a kubeconfig with a real token of a ServiceAccount, which is created if absent.

        `server` may name a proxy in front of the API server. The token lives for a day.
        """
        token = self.service_account_token(namespace, name)
        return self.kubeconfig(f"{namespace}-{name}", token, server=server)

    def service_account_token(self, namespace: str, name: str, *audiences: str) -> str:
        """Return a fresh token of a ServiceAccount, which is created if absent; it is for the API
        server, unless it is for other audiences.
        """
        self.create_if_absent(
            f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}}
        )
        answer = self.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"spec": {"expirationSeconds": _TOKEN_SECONDS, "audiences": list(audiences)}},
        )
        token: str = answer["status"]["token"]
        return token

    def kubeconfig(self, name: str, token: str, *, server: str | None = None) -> Path:
        """Write a kubeconfig for a token and return its path, the same for the same arguments."""
        address = server or self.url
        suffix = "" if server is None else f"-{urllib.parse.urlsplit(server).port}"
        path = self.folder / f"{name}{suffix}.kubeconfig"
        write_kubeconfig(path, address, self.ca_file, token)
        return path

    def admin_kubeconfig_through(self, server: str) -> Path:
        """Return a kubeconfig with the administrator's rights that goes through a proxy."""
        return self.kubeconfig("admin", self._token, server=server)

    def create_if_absent(self, collection: str, manifest: Mapping[str, Any]) -> None:
        """Create an object and be content if it is there already."""
        try:
            self.request("POST", collection, manifest)
        except ApiError as error:
            if error.code != http.client.CONFLICT:
                raise

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, content_type: str, token: str
    ) -> tuple[int, str]:
        address = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            address.hostname or "",
            address.port,
            timeout=_REQUEST_SECONDS,
            context=ssl.create_default_context(cafile=self.ca_file),
        )
        try:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def write_kubeconfig(path: Path, server: str, ca_file: Path, token: str) -> None:
    """Write a kubeconfig with one cluster and one user, readable by this user alone."""
    cluster = {"server": server}
    if server.startswith("https:"):
        cluster["certificate-authority"] = str(ca_file)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [
            {"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}},
        ],
        "current-context": "testbed",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2))
