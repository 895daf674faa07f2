"""One of each system that values are read from: doubles and emulators of this machine.

Fed by bench.systems with names; feeds it with the environment for the halves, specs, and how many
calls for values came.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import boto3

from bench.world import value
from testbed.azure import AzureDouble
from testbed.googlekey import write_key
from testbed.moto import REGION, MotoServer
from testbed.openbao import Bao, OpenBaoServer
from testbed.proxy import WireProxy
from testbed.request import any_request
from testbed.secretmanager import SecretManager, SecretManagerServer

_PROJECT = "bench-4711"
_VAULT = "bench-vault"
_ENGINE = "bench-kv"
_ROLES = "bench-approle"


class System(ABC):
    """One system: what a spec says to name it, and what it was asked for."""

    title: str
    spec: Mapping[str, Any]
    least: int
    """Calls for a hundred values at once, by the limits of the system's API."""

    def key(self, name: str) -> str:
        """What a spec calls a secret of this name."""
        return name

    @abstractmethod
    def put(self, names: Sequence[str]) -> None:
        """Make secrets of these names."""

    @abstractmethod
    def calls(self) -> int:
        """Calls for values so far."""


class _SecretsManager(System):
    title = "Secrets Manager"
    spec: Mapping[str, Any] = {"backendType": "secretsManager"}
    least = 5
    operations = ("GetSecretValue", "BatchGetSecretValue")

    def __init__(self, client: Any, wire: WireProxy) -> None:
        self._client = client
        self._wire = wire

    def put(self, names: Sequence[str]) -> None:
        for name in names:
            self._client.create_secret(Name=name, SecretString=value(name, 0))

    def calls(self) -> int:
        return self._wire.count(lambda head: head.aws_operation in self.operations)


class _ParameterStore(_SecretsManager):
    title = "Parameter Store"
    spec: Mapping[str, Any] = {"backendType": "systemManager"}
    least = 10
    operations = ("GetParameter", "GetParameters")

    def put(self, names: Sequence[str]) -> None:
        for name in names:
            self._client.put_parameter(Name=name, Value=value(name, 0), Type="SecureString")


class _Google(System):
    title = "Google Secret Manager"
    spec: Mapping[str, Any] = {"backendType": "gcpSecretsManager", "projectId": _PROJECT}
    least = 100

    def __init__(self, manager: SecretManager, wire: WireProxy) -> None:
        self._manager = manager
        self._wire = wire

    def put(self, names: Sequence[str]) -> None:
        for name in names:
            self._manager.add(f"projects/{_PROJECT}/secrets/{name}", value(name, 0).encode())

    def calls(self) -> int:
        return self._wire.count(lambda head: head.path.endswith(":access"))


class _Azure(System):
    title = "Azure Key Vault"
    spec: Mapping[str, Any] = {"backendType": "azureKeyVault", "keyVaultName": _VAULT}
    least = 100

    def __init__(self, double: AzureDouble) -> None:
        self._double = double
        double.vaults.create(_VAULT)

    def put(self, names: Sequence[str]) -> None:
        for name in names:
            self._double.vaults.put(_VAULT, name, value(name, 0))

    def calls(self) -> int:
        return self._double.counts(_VAULT)["get"]


class _Vault(System):
    title = "Vault, with its login"
    spec: Mapping[str, Any] = {"backendType": "vault", "vaultMountPoint": _ROLES}
    least = 101

    def __init__(self, bao: Bao, wire: WireProxy, folder: Path) -> None:
        self._bao = bao
        self._wire = wire
        bao.mount(_ENGINE, 2)
        bao.policy("bench", {f"{_ENGINE}/*": ["read"]})
        role, secret = bao.approle(_ROLES, "hark", token_policies=["bench"])
        (folder / "role-id").write_text(role)
        (folder / "secret-id").write_text(secret)

    def key(self, name: str) -> str:
        return f"{_ENGINE}/data/{name}"

    def put(self, names: Sequence[str]) -> None:
        for name in names:
            self._bao.request("POST", self.key(name), {"data": {"value": value(name, 0)}})

    def calls(self) -> int:
        return self._wire.count(any_request)


class Clouds:
    """All systems; `close` ends them."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hark-bench-clouds-")
        folder = Path(self._folder.name)
        self._moto = MotoServer()
        self._aws = WireProxy(self._moto.url)
        self._env = self._moto.env(endpoint=self._aws.url)
        self._google = SecretManagerServer(SecretManager({_PROJECT: "4711"}))
        self._google_wire = WireProxy(self._google.url)
        write_key(folder / "key.json", _PROJECT)
        self._azure = AzureDouble(folder)
        self._bao = OpenBaoServer()
        self._bao_wire = WireProxy(self._bao.url)
        self.aws: tuple[System, ...] = (
            _SecretsManager(self._client("secretsmanager"), self._aws),
            _ParameterStore(self._client("ssm"), self._aws),
        )
        self.all: tuple[System, ...] = (
            *self.aws,
            _Google(self._google.manager, self._google_wire),
            _Azure(self._azure),
            _Vault(self._bao, self._bao_wire, folder),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bao_wire.stop()
        self._bao.stop()
        self._azure.close()
        self._google_wire.stop()
        self._google.close()
        self._aws.stop()
        self._moto.stop()
        self._folder.cleanup()

    def env(self) -> dict[str, str]:
        """What leads the halves here."""
        folder = Path(self._folder.name)
        return {
            "VAULT_ADDR": self._bao_wire.url,
            "HARK_VAULT_AUTH": "approle",
            "HARK_VAULT_ROLE_ID_FILE": str(folder / "role-id"),
            "HARK_VAULT_SECRET_ID_FILE": str(folder / "secret-id"),
            **self._env,
            **self._azure.env(),
            **self._azure.client_env(),
            "HARK_GCP_SECRET_MANAGER_ENDPOINT": self._google_wire.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "key.json"),
        }

    def _client(self, service: str) -> Any:
        session = boto3.Session(
            aws_access_key_id=self._env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._env["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self._env["AWS_SESSION_TOKEN"],
            region_name=REGION,
        )
        client: Any = session.client(service, endpoint_url=self._moto.url)  # type: ignore[call-overload]
        return client
