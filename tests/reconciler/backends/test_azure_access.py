"""As whom Azure is asked, in which cloud, and what the SDK is left to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from azure.core.exceptions import ServiceRequestError
from azure.identity import AzureCliCredential, ManagedIdentityCredential

from externalsecret.errors import GiveUp, Retry
from externalsecret.reference import Select, Selector
from reconciler.backends import azurecredential
from reconciler.backends.azureaccess import AzureAccess
from reconciler.backends.azuresettings import AzureSettings, azure_settings
from reconciler.backends.contract import Read, Value
from testbed import entra, keyvault
from worlds.keyvault import KeyVaultWorld

# Settings.


@pytest.mark.parametrize(
    ("environ", "authority", "suffix"),
    [
        ({}, "login.microsoftonline.com", "vault.azure.net"),
        ({"AZURE_ENVIRONMENT": ""}, "login.microsoftonline.com", "vault.azure.net"),
        ({"AZURE_ENVIRONMENT": "AzureCloud"}, "login.microsoftonline.com", "vault.azure.net"),
        ({"AZURE_ENVIRONMENT": "AzureChinaCloud"}, "login.chinacloudapi.cn", "vault.azure.cn"),
        (
            {"AZURE_ENVIRONMENT": "AzureGermanCloud"},
            "login.microsoftonline.de",
            "vault.microsoftazure.de",
        ),
        (
            {"AZURE_ENVIRONMENT": "azureusgovernmentcloud"},
            "login.microsoftonline.us",
            "vault.usgovcloudapi.net",
        ),
        (
            {"AZURE_KEY_VAULT_DNS_SUFFIX": ".Vault.corp.example"},
            "login.microsoftonline.com",
            "vault.corp.example",
        ),
        (
            {
                "AZURE_ENVIRONMENT": "AzureChinaCloud",
                "AZURE_KEY_VAULT_DNS_SUFFIX": "v.example:8443",
            },
            "login.chinacloudapi.cn",
            "v.example:8443",
        ),
        # As the webhook of AKS workload identity sets it.
        (
            {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"},
            "login.microsoftonline.us",
            "vault.usgovcloudapi.net",
        ),
        (
            {"AZURE_AUTHORITY_HOST": "https://sts.corp.example"},
            "sts.corp.example",
            "vault.azure.net",
        ),
    ],
)
def test_a_cloud_has_its_authority_and_its_suffix(
    environ: dict[str, str], authority: str, suffix: str
) -> None:
    settings = azure_settings(environ)
    assert (settings.authority, settings.dns_suffix) == (authority, suffix)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AZURE_ENVIRONMENT", "AzureMoonCloud"),
        ("AZURE_AUTHORITY_HOST", "http://login.example"),
        ("AZURE_AUTHORITY_HOST", "login.example/path"),
        ("AZURE_KEY_VAULT_DNS_SUFFIX", "https://vault.azure.net"),
        ("AZURE_KEY_VAULT_DNS_SUFFIX", "vault.azure.net/x"),
        ("AZURE_KEY_VAULT_DNS_SUFFIX", "net"),
        ("AZURE_TENANT_ID", "a/b"),
    ],
)
def test_nonsense_is_refused_with_an_example_that_is_accepted(name: str, text: str) -> None:
    with pytest.raises(GiveUp, match=name) as refused:
        azure_settings({name: text})
    assert refused.value.reason == "InvalidSetting"
    assert text not in refused.value.message
    example = refused.value.message.partition(f"Example: {name}=")[2]
    azure_settings({name: example})


def test_no_secret_shows_in_the_settings() -> None:
    settings = azure_settings(
        {
            "AZURE_CLIENT_SECRET": "canary",
            "AZURE_CLIENT_CERTIFICATE_PASSWORD": "canary",
            "HTTP_PROXY": "http://user:canary@proxy",
        }
    )
    assert settings.client_secret == "canary"
    assert settings.proxy
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(("pod", "has_cli"), [("10.0.0.1", False), ("", True)])
def test_by_default_a_pod_is_its_managed_identity_and_a_desktop_whoever_logged_in(
    pod: str, *, has_cli: bool
) -> None:
    settings = azure_settings({"KUBERNETES_SERVICE_HOST": pod})
    credential = azurecredential.make_credential(settings)
    kinds = [type(one) for one in getattr(credential, "credentials", ())]
    assert kinds == [ManagedIdentityCredential, *([AzureCliCredential] if has_cli else [])]
    credential.close()


# Credentials, spoken to the double.


class Reader:
    """Reads one secret of a vault with settings of its own."""

    def __init__(self, world: KeyVaultWorld, settings: AzureSettings) -> None:
        world.put("db", b"x")
        self._one = world.reference("db", Selector(Select.LATEST))
        self._access = AzureAccess(settings)
        self._backend = world.open(self._access)

    def read(self) -> Read:
        return self._backend.read([self._one])[self._one.entry]

    def close(self) -> None:
        self._access.close()


Readers = list[Reader]


@pytest.fixture
def readers() -> Iterator[Readers]:
    made: Readers = []
    yield made
    for one in made:
        one.close()


def _reader(readers: Readers, world: KeyVaultWorld, **changes: object) -> Reader:
    bare = AzureSettings(tenant_id=entra.TENANT, client_id=entra.CLIENT, is_pod=True)
    one = Reader(world, replace(bare, **changes))  # type: ignore[arg-type]  # names of fields
    readers.append(one)
    return one


def test_a_wrong_client_secret_is_said_without_it(
    key_vault: KeyVaultWorld, readers: Readers
) -> None:
    reader = _reader(readers, key_vault, client_secret="canary")
    first, second = reader.read(), reader.read()
    assert isinstance(first, Retry)
    assert first.reason == "NoCredentials"
    assert "AADSTS7000215: Invalid client secret provided." in first.message
    assert "AZURE_CLIENT_ID" in first.message
    assert "canary" not in first.message
    # Or each try would be another text in the status.
    assert isinstance(second, Retry)
    assert second.message == first.message


def test_many_keys_ask_but_once_for_a_token_that_is_refused(
    key_vault: KeyVaultWorld, readers: Readers
) -> None:
    access = AzureAccess(replace(key_vault.settings, client_secret="wrong"))
    references = [key_vault.current(f"k{number}") for number in range(50)]
    answers = key_vault.open(access).read(references)
    access.close()
    assert {read.reason for read in answers.values() if isinstance(read, Retry)} == {
        "NoCredentials"
    }
    assert len(answers) == 50
    assert key_vault.azure.counts()["token"] == 1
    assert readers == []


def test_tokens_are_renewed_before_they_expire(key_vault: KeyVaultWorld, readers: Readers) -> None:
    azure = key_vault.azure
    reader = _reader(readers, key_vault, client_secret=azure.entra.client_secret)
    # The SDK wants five minutes to be left.
    azure.entra.lifetime = 290
    assert isinstance(reader.read(), Value)
    azure.entra.lifetime = 3600
    assert isinstance(reader.read(), Value)
    assert azure.counts()["token"] == 2
    assert isinstance(reader.read(), Value)
    assert azure.counts()["token"] == 2
    assert azure.counts()["challenge"] == 1


def test_workload_identity_reads_its_file_anew_for_each_login(
    key_vault: KeyVaultWorld, readers: Readers, tmp_path: Path
) -> None:
    azure = key_vault.azure
    file = tmp_path / "azure-identity-token"
    file.write_text("first\n")
    azure.entra.lifetime = 0
    reader = _reader(readers, key_vault, token_file=str(file))
    assert isinstance(reader.read(), Value)
    file.write_text("second")
    assert isinstance(reader.read(), Value)
    assert azure.entra.assertions[0] == "first"
    assert azure.entra.assertions[-1] == "second"


def test_a_missing_token_file_is_said_and_tried_again(
    key_vault: KeyVaultWorld, readers: Readers, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    reader = _reader(readers, key_vault, token_file=str(file))
    read = reader.read()
    assert isinstance(read, Retry)
    assert read.reason == "NoCredentials"
    assert "AZURE_FEDERATED_TOKEN_FILE" in read.message
    file.write_text("here")
    assert isinstance(reader.read(), Value)


def test_a_client_certificate_logs_in(
    key_vault: KeyVaultWorld, readers: Readers, tmp_path: Path
) -> None:
    certificate = tmp_path / "client.pem"
    made = trustme.CA().issue_cert("hark.example", key_type=trustme.KeyType.RSA)
    made.private_key_and_cert_chain_pem.write_to_path(certificate)
    reader = _reader(readers, key_vault, certificate_path=str(certificate))
    assert isinstance(reader.read(), Value)
    assert len(key_vault.azure.entra.assertions) == 1


def test_a_certificate_that_cannot_be_read_is_said(
    key_vault: KeyVaultWorld, readers: Readers, tmp_path: Path
) -> None:
    read = _reader(readers, key_vault, certificate_path=str(tmp_path / "none")).read()
    assert isinstance(read, Retry)
    assert read.reason == "NoCredentials"
    assert "AZURE_CLIENT_CERTIFICATE_PATH" in read.message


def test_the_managed_identity_of_the_node_logs_in(
    key_vault: KeyVaultWorld, readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", key_vault.azure.url)
    reader = _reader(readers, key_vault, tenant_id="", client_id=entra.CLIENT)
    assert isinstance(reader.read(), Value)
    (asked,) = [call for call in key_vault.azure.calls() if call.operation == "metadata"]
    assert asked.query["client_id"] == entra.CLIENT
    assert key_vault.azure.counts()["token"] == 0


def test_where_there_is_no_identity_at_all_that_is_said(
    key_vault: KeyVaultWorld, readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    read = _reader(readers, key_vault, tenant_id="", client_id="").read()
    assert isinstance(read, Retry)
    assert read.reason == "NoCredentials"
    assert "workload identity" in read.message


def test_a_vault_of_a_tenant_that_is_not_allowed_is_said(
    key_vault: KeyVaultWorld, readers: Readers
) -> None:
    secret = key_vault.azure.entra.client_secret
    refused = _reader(readers, key_vault, tenant_id="home.example", client_secret=secret).read()
    assert isinstance(refused, Retry)
    assert "AZURE_ADDITIONALLY_ALLOWED_TENANTS" in refused.message
    allowed = _reader(
        readers,
        key_vault,
        tenant_id="home.example",
        client_secret=secret,
        more_tenants=(entra.TENANT,),
    )
    assert isinstance(allowed.read(), Value)


def test_an_authority_that_is_away_is_said() -> None:
    class Away:
        def get_token_info(self, *_scopes: str, **_options: object) -> None:
            raise ServiceRequestError("canary")

        def close(self) -> None: ...

    shared = azurecredential.SharedCredential(Away())  # type: ignore[arg-type]  # never answers
    with pytest.raises(Retry, match="did not answer") as refused:
        shared.get_token_info(keyvault.SCOPE)
    assert "canary" not in refused.value.message


def test_the_sdk_is_imported_only_with_the_first_read() -> None:
    program = """
import sys
from externalsecret.identity import Backend
from externalsecret.reference import Identity
from reconciler.backends.opening import open_backend, read_access
access = read_access({})
assert not {"azure.core", "azure.identity", "msal", "requests"} & set(sys.modules)
open_backend(Backend.SECRETS_MANAGER, Identity(), "eu-central-1", access)
assert not {"azure.core", "azure.identity", "msal"} & set(sys.modules)
open_backend(Backend.KEY_VAULT, Identity(), "shop", access)
assert "azure.core" in sys.modules
access.close()
"""
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)
