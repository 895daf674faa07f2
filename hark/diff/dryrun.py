"""DryRunApi: an API server to which the reconciler may write without anything being written.

Stands between the reconciler and the real API server while `hark diff` runs. Reads go through. A
write of a Secret goes through as a dry run, which the API server judges as it would judge the real
one and then forgets; what it would have changed is kept for the report. Statuses and Events are not
even sent.

Guarantees: nothing is changed in the cluster, whatever the reconciler asks for: a write that this
module does not know is refused, and a deletion is never sent. Values that are compared stay in
memory.

Kubernetes facts: "Dry-run" in "Kubernetes API Concepts"; a dry run needs the rights of the write.
"""

import base64
import binascii
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from externalsecret.errors import GiveUp
from externalsecret.kubeapi import KubeApi
from externalsecret.reflect import Key
from hark.diff.writes import Writes

_SECRETS = "secrets"
_OBJECTS = "externalsecrets"
_READS = {"GET", "HEAD"}


class DryRunApi:
    """The seam to the API server, for looking only."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._writes: dict[Key, Writes] = {}
        self._made: dict[Key, dict[str, Any]] = {}
        self._gone: dict[Key, dict[str, bytes]] = {}
        """Entries of Secrets that would have been deleted just before."""

    def writes(self, key: Key) -> Writes:
        """What would have been written to the Secret of this name."""
        with self._lock:
            return self._writes.get(key, Writes())

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """See KubeApi; a write is asked for as a dry run, or not at all."""
        if method in _READS:
            return self._api.request(method, path, query=query, accept=accept)
        namespace, resource, *names = _parts(path)
        if resource == _OBJECTS and names[1:] == ["status"]:
            # As it stands: the ledger is not to move.
            return self._api.request("GET", path.removesuffix("/status"))
        if resource == "events":
            return {}
        if resource != _SECRETS:
            raise GiveUp(
                f"`hark diff` does not know what {method} {path} would do, and leaves it out. "
                "Please report this.",
                reason="UnknownWrite",
            )
        if "dryRun" in (query or {}):
            return self._api.request(
                method, path, query=query, body=body, content_type=content_type, accept=accept
            )
        key = (namespace, names[0] if names else str((body or {})["metadata"]["name"]))
        with self._lock:
            made = self._made.get(key)
        if made is not None:
            # What was never made cannot be written again; the first write told what matters.
            return made
        before = self._before(method, path, key)
        if method == "DELETE" or (method == "POST" and before is not None):
            # A dry run of a deletion is asked for in its body, and a body that lacks the word is a
            # real one: none is ever sent. The Secret is still there then, in the way of the new
            # one.
            reply: dict[str, Any] = {"metadata": {"namespace": key[0], "name": key[1]}}
        else:
            reply = self._api.request(
                method,
                path,
                query={**(query or {}), "dryRun": "All"},
                body=body,
                content_type=content_type,
                accept=accept,
            )
        self._keep(key, method, before or {}, body or {})
        if method == "POST":
            # What was never stored has none, and the reconciler asks for them.
            reply["metadata"] = {"uid": "dry-run", "resourceVersion": "1", **reply["metadata"]}
            with self._lock:
                self._made[key] = reply
        return reply

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        """See KubeApi."""
        return self._api.stream(path, query=query, accept=accept, read_timeout=read_timeout)

    def _keep(
        self, key: Key, method: str, before: Mapping[str, bytes], body: Mapping[str, Any]
    ) -> None:
        with self._lock:
            self._writes[key] = self._writes.get(key, Writes()).then(method, before, body)

    def _before(self, method: str, path: str, key: Key) -> dict[str, bytes] | None:
        """The entries that a write finds; None where there is no Secret yet."""
        if method == "POST":
            with self._lock:
                return self._gone.pop(key, None)
        data = self._data(path)
        if method == "DELETE":
            with self._lock:
                self._gone[key] = data
        return data

    def _data(self, path: str) -> dict[str, bytes]:
        """The entries of the Secret as it is."""
        live = self._api.request("GET", path)
        return {name: _decoded(text) for name, text in (live.get("data") or {}).items()}


def _parts(path: str) -> list[str]:
    """Of what is in a namespace: the namespace, the resource, and what follows. By their place:
    each of them may bear the name of another.
    """
    parts = path.strip("/").split("/")
    after = parts[parts.index("namespaces") + 1 :] if "namespaces" in parts else []
    return after if len(after) > 1 else ["", ""]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
