"""Google's Secret Manager with its surroundings, for the tests of its backend."""

from pathlib import Path
from typing import Any

import pytest

from externalsecret.dialect.contract import Defaults
from externalsecret.dialect.google import GoogleDialect
from externalsecret.entrykey import entry_key
from externalsecret.identity import Backend as Kind
from externalsecret.reference import Identity, Reference
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import AwsSettings
from reconciler.backends.contract import Backend
from reconciler.backends.googleclient import GoogleAccess
from reconciler.backends.googlesettings import GoogleSettings
from reconciler.backends.opening import Access, open_backend
from testbed.actions import Action
from testbed.googlekey import write_key
from testbed.proxy import WireProxy
from testbed.request import any_request
from testbed.rule import Rule
from testbed.secretmanager import SecretManager, SecretManagerServer, refusal
from worlds.backends import RETRY_AFTER, RemoteWorld, Trouble

PROJECT = "shop-prod"
NUMBER = "4711"
_RETRY_INFO = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    "retryDelay": f"{RETRY_AFTER}s",
}
_REFUSALS = {
    Trouble.DENIED: refusal(
        403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied."
    ),
    Trouble.THROTTLED: refusal(
        429, "RESOURCE_EXHAUSTED", "Quota exceeded.", details=(_RETRY_INFO,)
    ),
    Trouble.BROKEN: refusal(503, "UNAVAILABLE", "The service is currently unavailable."),
}


def use_key(folder: Path, monkeypatch: pytest.MonkeyPatch, project: str = PROJECT) -> None:
    """Give Google's libraries credentials that need no server."""
    write_key(folder / "key.json", project)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "key.json"))
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


def secret_name(name: str, location: str = "", project: str = PROJECT) -> str:
    place = f"/locations/{location}" if location else ""
    return f"projects/{project}{place}/secrets/{name}"


def reference(
    key: str, version: str = "", *, project: str = PROJECT, location: str = ""
) -> Reference:
    spec = {"projectId": project, "location": location}
    place = GoogleDialect(spec, Defaults()).place("spec.data[0]", key, {"version": version})
    entry = entry_key(Kind.GCP_SECRET_MANAGER, place.scope, key, place.selector)
    return Reference(entry, place.secret, key, place.selector, place.scope)


class GoogleWorld(RemoteWorld):
    """A double of Secret Manager behind a wire proxy; the environment must have credentials."""

    calls_for_fifty = 50
    calls_to_sweep_fifty = 50

    def __init__(self) -> None:
        self.server = SecretManagerServer(SecretManager({PROJECT: NUMBER}))
        self.manager = self.server.manager
        self.proxy = WireProxy(self.server.url)
        self.access = GoogleAccess(GoogleSettings(endpoint=self.proxy.url))
        self.backend = self.open()
        self._rules: list[Rule] = []

    def open(self, scope: str = PROJECT) -> Backend:
        return _open(scope, self.access)

    def put(self, name: str, value: bytes) -> str:
        return self.manager.add(secret_name(name), value)

    def delete(self, name: str) -> None:
        self.manager.delete(secret_name(name))

    def current(self, name: str) -> Reference:
        return reference(name)

    def pinned(self, name: str, version: str) -> Reference:
        return reference(name, version)

    def befall(self, trouble: Trouble) -> None:
        self.always(_REFUSALS[trouble])

    def always(self, action: Action) -> None:
        """Do this with every call until `heal`."""
        self._rules.append(self.proxy.when(any_request, action, times=None))

    def heal(self) -> None:
        for rule in self._rules:
            rule.retire()

    def calls(self) -> int:
        return len(self.proxy.log)

    def backend_at(self, address: str, timeout: float) -> Backend:
        settings = GoogleSettings(f"http://{address}", timeout, timeout)
        return _open(PROJECT, GoogleAccess(settings))

    def spec(self, *names: str) -> dict[str, Any]:
        items = [{"key": name, "name": name} for name in names]
        return {"backendType": "gcpSecretsManager", "projectId": PROJECT, "data": items}

    def values_asked(self) -> list[str]:
        paths = [entry.head.path for entry in self.proxy.log]
        reads = [path for path in paths if path.endswith(":access")]
        return [path.partition("/secrets/")[2].partition("/")[0] for path in reads]

    def close(self) -> None:
        super().close()
        self.access.close()
        self.proxy.stop()
        self.server.close()


def _open(scope: str, access: GoogleAccess) -> Backend:
    both = Access(AwsAccess(AwsSettings()), google=access)
    return open_backend(Kind.GCP_SECRET_MANAGER, Identity(), scope, both)
