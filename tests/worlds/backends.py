"""Each backend with its surroundings behind one face, for the tests that all of them pass."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

import boto3

from externalsecret.errors import GiveUp, HarkError, Retry
from externalsecret.identity import Backend as Kind
from externalsecret.identity import SecretId
from externalsecret.reference import Identity, Reference, Select, Selector
from reconciler import base64text
from reconciler.backends.awsclient import AwsAccess
from reconciler.backends.awssettings import AwsSettings
from reconciler.backends.contract import Backend, Binary, Read, Value
from reconciler.backends.memory import MemoryBackend
from reconciler.backends.opening import Access, open_backend
from testbed.actions import Action, answer
from testbed.moto import REGION
from testbed.proxy import WireProxy
from testbed.request import Request, any_request
from testbed.rule import Rule

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

CURRENT = Selector(Select.LABEL, "AWSCURRENT")
LATEST = Selector(Select.LATEST)
SETTINGS = AwsSettings(connect_timeout=5, read_timeout=20)
RETRY_AFTER = 70
"""Seconds that a throttled answer asks to wait, in whatever form the system has for it."""


class Trouble(Enum):
    """What may befall every call of a backend: (HTTP status, AWS's code, AWS's message).

    THROTTLED says in every world that the caller shall wait for RETRY_AFTER seconds.
    """

    DENIED = (400, "AccessDeniedException", "User: hark is not authorized.")
    THROTTLED = (400, "ThrottlingException", "Rate exceeded")
    BROKEN = (503, "ServiceUnavailable", "Try later.")

    def on_the_wire(self) -> Action:
        status, code, message = self.value
        headers = {"Retry-After": str(RETRY_AFTER)} if self is Trouble.THROTTLED else None
        return refusal(code, message, status=status, headers=headers)

    def in_memory(self) -> HarkError:
        reasons = {
            Trouble.DENIED: GiveUp("no", reason="Denied"),
            Trouble.THROTTLED: Retry("slow", reason="Throttled", after=RETRY_AFTER),
            Trouble.BROKEN: Retry("away", reason="BackendUnavailable"),
        }
        return reasons[self]


def refusal(
    code: str, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None
) -> Action:
    """What AWS answers in its JSON protocol when it refuses."""
    body = json.dumps({"__type": code, "Message": message}).encode()
    fields = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-requestid": "1"}
    return answer(status, body, {**fields, **(headers or {})})


def reference(kind: Kind, key: str, selector: Selector) -> Reference:
    entry = f"{kind}/{REGION}/{key}#{selector.select}:{selector.value}"
    return Reference(entry, SecretId(kind, key), key, selector, REGION)


def revealed(read: Read) -> bytes:
    assert isinstance(read, Value), read
    assert not isinstance(read.value, Mapping)
    value = read.value.value if isinstance(read.value, Binary) else read.value
    return value.reveal()


class World(ABC):
    """A backend and the means to change what it sees."""

    backend: Backend
    largest = 64 * 1024
    """Bytes of the largest value that is tried: 64 KiB, or less where the system holds less."""
    keeps_bytes = True
    """False where the system keeps text alone: there bytes lie as base64, and isBinary decodes."""

    @abstractmethod
    def put(self, name: str, value: bytes) -> str:
        """Make it the secret's newest value; returns the version."""

    @abstractmethod
    def delete(self, name: str) -> None: ...

    @abstractmethod
    def current(self, name: str) -> Reference: ...

    @abstractmethod
    def pinned(self, name: str, version: str) -> Reference: ...

    @abstractmethod
    def befall(self, trouble: Trouble) -> None:
        """Let all calls fail until `heal`."""

    @abstractmethod
    def heal(self) -> None: ...

    @abstractmethod
    def calls(self) -> int:
        """The backend's calls so far."""

    @property
    @abstractmethod
    def calls_for_fifty(self) -> int: ...

    @property
    @abstractmethod
    def calls_to_sweep_fifty(self) -> int: ...

    def read(self, one: Reference) -> Read:
        return self.backend.read([one])[one.entry]

    def revealed(self, read: Read) -> bytes:
        """The value that `put` was given, out of the form in which the system hands it out."""
        return revealed(read)

    def put_bytes(self, name: str, value: bytes) -> str:
        """As `put`, for what is no text."""
        return self.put(name, value if self.keeps_bytes else base64.b64encode(value))

    def revealed_bytes(self, read: Read) -> bytes:
        """What `put_bytes` was given."""
        value = self.revealed(read)
        return value if self.keeps_bytes else base64text.decode(value.decode())

    def close(self) -> None:
        self.backend.close()


class RemoteWorld(World):
    """A world that is reached over a network."""

    @abstractmethod
    def backend_at(self, address: str, timeout: float) -> Backend:
        """Another backend of this kind, whose server is at `address` (host:port, by http or https
        as this SDK likes) and that waits no longer than `timeout` seconds for an answer.

        With credentials that need no server of their own, or one that answers.
        """

    @abstractmethod
    def spec(self, *names: str) -> dict[str, Any]:
        """Of an ExternalSecret with an entry for each of these secrets, called as it is."""

    @abstractmethod
    def values_asked(self) -> list[str]:
        """The secrets whose value was asked for, each as often as the server saw it."""


class MemoryWorld(World):
    calls_for_fifty = 1
    calls_to_sweep_fifty = 1

    def __init__(self) -> None:
        self.backend: MemoryBackend = MemoryBackend()
        self._versions = 0
        self._names: set[str] = set()

    def put(self, name: str, value: bytes) -> str:
        self._versions += 1
        self._names.add(name)
        self.backend.put(name, value, str(self._versions))
        return str(self._versions)

    def delete(self, name: str) -> None:
        self.backend.delete(name)

    def current(self, name: str) -> Reference:
        return reference(Kind.SECRETS_MANAGER, name, CURRENT)

    def pinned(self, name: str, version: str) -> Reference:
        return reference(Kind.SECRETS_MANAGER, name, Selector(Select.VERSION, version))

    def befall(self, trouble: Trouble) -> None:
        for name in self._names:
            self.backend.fail(name, trouble.in_memory())

    def heal(self) -> None:
        for name in self._names:
            self.backend.fail(name, None)

    def calls(self) -> int:
        return self.backend.calls.total()


class AwsWorld(RemoteWorld):
    """What the two AWS backends share: the wire."""

    kind: Kind
    backend_type: str
    naming_values: Mapping[str, str]
    """The operations that answer with values, and the field that names the secret or secrets."""

    def __init__(self, proxy: WireProxy, settings: AwsSettings = SETTINGS) -> None:
        """The environment must already lead the SDK to the proxy."""
        self.proxy = proxy
        self._asked: list[str] = []
        # A rule that takes nothing: it only sees what is asked.
        proxy.when(self._saw, answer(500), times=None)
        self.access = AwsAccess(settings)
        self.backend = open_backend(self.kind, Identity(), REGION, Access(self.access))
        self._rules: list[Rule] = []

    def befall(self, trouble: Trouble) -> None:
        self._rules.append(self.proxy.when(any_request, trouble.on_the_wire(), times=None))

    def heal(self) -> None:
        for rule in self._rules:
            rule.retire()

    def calls(self) -> int:
        return len(self.proxy.log)

    def operations(self) -> list[str]:
        return [entry.head.aws_operation for entry in self.proxy.log]

    def backend_at(self, address: str, timeout: float) -> Backend:
        there = f"http://{address}"
        settings = replace(
            SETTINGS,
            endpoint_sm=there,
            endpoint_ssm=there,
            connect_timeout=timeout,
            read_timeout=timeout,
        )
        return open_backend(self.kind, Identity(), REGION, Access(AwsAccess(settings)))

    def spec(self, *names: str) -> dict[str, Any]:
        items = [{"key": name, "name": name} for name in names]
        return {"backendType": self.backend_type, "region": REGION, "data": items}

    def values_asked(self) -> list[str]:
        return [*self._asked]

    def close(self) -> None:
        super().close()
        self.access.close()

    def _saw(self, request: Request) -> bool:
        field = self.naming_values.get(request.aws_operation)
        if field is not None:
            named = request.json[field]
            self._asked += [named] if isinstance(named, str) else named
        return False


class SecretsManagerWorld(AwsWorld):
    kind = Kind.SECRETS_MANAGER
    backend_type = "secretsManager"
    naming_values: Mapping[str, str] = {
        "GetSecretValue": "SecretId",
        "BatchGetSecretValue": "SecretIdList",
    }
    calls_for_fifty = 3
    calls_to_sweep_fifty = 1

    def __init__(self, proxy: WireProxy, upstream: str, settings: AwsSettings = SETTINGS) -> None:
        super().__init__(proxy, settings)
        self.admin: SecretsManagerClient = boto3.Session().client(
            "secretsmanager", endpoint_url=upstream, region_name=REGION
        )

    def put(self, name: str, value: bytes) -> str:
        try:
            made = self.admin.put_secret_value(SecretId=name, SecretBinary=value)
        except self.admin.exceptions.ResourceNotFoundException:
            return self.admin.create_secret(Name=name, SecretBinary=value)["VersionId"]
        return made["VersionId"]

    def delete(self, name: str) -> None:
        self.admin.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def current(self, name: str) -> Reference:
        return reference(self.kind, name, CURRENT)

    def pinned(self, name: str, version: str) -> Reference:
        return reference(self.kind, name, Selector(Select.VERSION, version))

    def close(self) -> None:
        super().close()
        self.admin.close()


class ParameterStoreWorld(AwsWorld):
    kind = Kind.PARAMETER_STORE
    backend_type = "systemManager"
    naming_values: Mapping[str, str] = {
        "GetParameter": "Name",
        "GetParameters": "Names",
        "GetParameterHistory": "Name",
        "GetParametersByPath": "Path",
    }
    largest = (
        8 * 1024
    )  # of an advanced parameter: "Managing parameter tiers", Systems Manager guide
    keeps_bytes = False
    calls_for_fifty = 5
    # moto describes ten at a time, whatever page was asked for, and one empty page.
    calls_to_sweep_fifty = 6

    def __init__(self, proxy: WireProxy, upstream: str, settings: AwsSettings = SETTINGS) -> None:
        super().__init__(proxy, settings)
        self.admin: SSMClient = boto3.Session().client(
            "ssm", endpoint_url=upstream, region_name=REGION
        )

    def put(self, name: str, value: bytes) -> str:
        self.admin.put_parameter(
            Name=name,
            Value=value.decode(),
            Type="SecureString",
            Tier="Intelligent-Tiering",
            Overwrite=True,
        )
        made = self.admin.get_parameter(Name=name)["Parameter"]
        return f"{made['Version']}@{int(made['LastModifiedDate'].timestamp())}"

    def delete(self, name: str) -> None:
        self.admin.delete_parameter(Name=name)

    def current(self, name: str) -> Reference:
        return reference(self.kind, name, LATEST)

    def pinned(self, name: str, version: str) -> Reference:
        number = version.partition("@")[0]
        return reference(self.kind, f"{name}:{number}", Selector(Select.VERSION, number))

    def close(self) -> None:
        super().close()
        self.admin.close()
