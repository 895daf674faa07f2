"""The Terraform modules for Google Cloud and Azure, held to the providers' own lists."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.hcl import take_apart
from testbed.helm import Helm
from testbed.providers import PROVIDERS, shapes_of
from worlds.terraform import AZAPI, Module, Shapes, faults, read_module

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
CLOUDS = ("gcp", "azure")
VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/Shop-Prod"
TENANT = "11111111-2222-3333-4444-555555555555"
GIVEN: Mapping[str, dict[str, Any]] = {
    "gcp": {"project_id": "shop-prod"},
    "azure": {
        "resource_group_name": "shop",
        "location": "westeurope",
        "key_vaults": {"shop": VAULT},
        "storage_account_name": "harkshop",
        "oidc_issuer_url": "https://westeurope.oic.prod-aks.azure.com/t/c/",
    },
}
# What the clouds would answer, as far as outputs and locals ask for it.
TOPIC = "projects/shop-prod/topics/hark"
GOOGLE = {
    "data": {"google_project": {"own": {"number": "42"}}},
    "google_pubsub_topic": {"events": {"id": TOPIC}},
    "google_pubsub_subscription": {
        "events": {"id": "projects/shop-prod/subscriptions/hark"},
        "dead": {"id": "projects/shop-prod/subscriptions/hark-dead"},
    },
    "google_service_account": {
        half: {"email": f"hark-{half}@shop-prod.iam.gserviceaccount.com"}
        for half in ("listener", "reconciler")
    },
}
HOST = "hark-harkshop.westeurope-1.eventgrid.azure.net"
AZURE = {
    "data": {
        "azurerm_client_config": {"current": {"tenant_id": TENANT}},
        "azapi_resource": {
            "namespace": {
                "hark": {"output": {"properties": {"topicsConfiguration": {"hostname": HOST}}}}
            }
        },
    },
    "azurerm_storage_account": {"events": {"id": "/storage", "name": "harkshop"}},
    "azurerm_storage_container": {"dead": {"name": "hark-dead"}},
    "azapi_resource": {
        "topic": {"hark": {"name": "secrets"}},
        "queue": {"hark": {"name": "hark"}},
    },
    "azurerm_user_assigned_identity": {
        half: {"client_id": f"id-of-{half}"} for half in ("listener", "reconciler")
    },
}
BAD: list[tuple[str, str, Any]] = [
    ("gcp", "project_id", "123456"),
    ("gcp", "secret_project_ids", ["Shop Prod"]),
    ("gcp", "secret_prefix", "prod/"),
    ("gcp", "name", "a-name-that-is-too-long"),
    ("gcp", "namespace", "Hark"),
    ("gcp", "listener_service_account", "hark/listener"),
    ("gcp", "reconciler_service_account", ""),
    ("gcp", "workload_identity_pool", "shop-prod"),
    ("gcp", "message_retention_seconds", 60),
    ("gcp", "max_delivery_attempts", 4),
    ("gcp", "kms_key_name", "my-key"),
    ("azure", "resource_group_name", "/subscriptions/s/resourceGroups/shop"),
    ("azure", "location", "West Europe"),
    ("azure", "key_vaults", {}),
    ("azure", "key_vaults", {"shop": "shop-prod"}),
    ("azure", "key_vaults", {"Shop Prod": VAULT}),
    ("azure", "secrets", {"shop": ["prod/db"]}),
    ("azure", "storage_account_name", "Hark-Shop"),
    ("azure", "replication", "none"),
    ("azure", "oidc_issuer_url", "http://issuer"),
    ("azure", "delivery", "pigeon"),
    ("azure", "webhook_url", "https://hark.example/"),
    ("azure", "webhook_audience", "hark"),
    ("azure", "name", "My-Hark"),
    ("azure", "namespace", "Hark"),
    ("azure", "listener_service_account", "hark/listener"),
    ("azure", "reconciler_service_account", ""),
]


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    return {cloud: read_module(INFRA / cloud) for cloud in CLOUDS}


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    known = dict(AZAPI)
    for provider in PROVIDERS:
        known |= shapes_of(provider)
    return known


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    made = Helm(ROOT / "charts" / "hark")
    yield made
    made.close()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_module_is_formatted(modules: dict[str, Module], cloud: str) -> None:
    module = modules[cloud]
    assert {name: file.formatted for name, file in module.files.items()} == module.texts


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_providers_know_every_word_of_a_module(
    modules: dict[str, Module], shapes: Shapes, cloud: str
) -> None:
    assert faults(modules[cloud], shapes) == []


@pytest.mark.parametrize(
    ("cloud", "file", "old", "new", "fault"),
    [
        ("gcp", "topic.tf", "ack_deadline_seconds", "ack_deadline", "ack_deadline is unknown"),
        ("gcp", "topic.tf", "    minimum_backoff", "    min_backoff", "min_backoff is unknown"),
        ("gcp", "topic.tf", 'ttl = ""', "", "ttl is missing"),
        (
            "gcp",
            "identities.tf",
            "      expression = condition.value\n",
            "",
            "expression is missing",
        ),
        ("gcp", "identities.tf", 'dynamic "condition"', 'dynamic "when"', "when is unknown"),
        (
            "gcp",
            "topic.tf",
            '"google_pubsub_topic" "dead"',
            '"google_topic" "dead"',
            "no provider has",
        ),
        (
            "gcp",
            "topic.tf",
            "google_pubsub_topic.dead.id",
            "google_pubsub_topic.lost.id",
            "nowhere",
        ),
        ("gcp", "topic.tf", "var.labels", "var.label", "var.label is declared nowhere"),
        ("azure", "events.tf", "source_resource_id ", "source_id ", "source_id is unknown"),
        (
            "azure",
            "events.tf",
            "      queue_name         = storage_queue_endpoint.value\n",
            "",
            "missing",
        ),
        (
            "azure",
            "identities.tf",
            "issuer              =",
            "issuer_url          =",
            "issuer is missing",
        ),
        ("azure", "storage.tf", "  min_tls_version ", "  tls_version ", "tls_version is unknown"),
        ("azure", "namespace.tf", "  parent_id = azapi", "  parent = azapi", "parent is unknown"),
    ],
)
def test_a_planted_fault_is_found(
    modules: dict[str, Module],
    shapes: Shapes,
    cloud: str,
    file: str,
    old: str,
    new: str,
    fault: str,
) -> None:
    texts = dict(modules[cloud].texts)
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)
    assert any(fault in each for each in faults(Module(texts, take_apart(texts)), shapes))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_the_example_gives_is_taken(modules: dict[str, Module], cloud: str) -> None:
    assert modules[cloud].refusals(GIVEN[cloud]) == []


@pytest.mark.parametrize(("cloud", "name", "value"), BAD)
def test_a_wrong_value_is_refused_in_a_sentence_that_names_its_variable(
    modules: dict[str, Module], cloud: str, name: str, value: Any
) -> None:
    [said] = modules[cloud].refusals({**GIVEN[cloud], name: value})
    about = {"message_retention_seconds": "messages for", "max_delivery_attempts": "attempts"}
    assert about.get(name, name) in said
    assert said.endswith(".")


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_variable_with_a_validation_is_tried_with_a_wrong_value(
    modules: dict[str, Module], cloud: str
) -> None:
    checked = {block.labels[0] for block in modules[cloud].blocks("variable") if block.blocks}
    assert checked == {name for where, name, _value in BAD if where == cloud}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_page_lists_the_variables_and_outputs(modules: dict[str, Module], cloud: str) -> None:
    page = (INFRA / cloud / "README.md").read_text(encoding="utf-8")
    for block in modules[cloud].blocks("variable"):
        default = " ".join(block.attributes.get("default", "").split())
        shown = f"`{default}`" if default else "required"
        meaning = json.loads(block.attributes["description"])
        assert f"| `{block.labels[0]}` | {shown} | {meaning} |" in page
    for block in modules[cloud].blocks("output"):
        assert f"`{block.labels[0]}`" in page


def rendered(helm: Helm, module: Module, given: dict[str, Any], cloud: Any) -> Any:
    """The listener's and the reconciler's account and environment, of the module's own values."""
    assert module.refusals(given) == []
    values = yaml.safe_load(module.outputs(given, cloud)["helm_values"])
    documents = yaml.safe_load_all(helm.template("hark", "hark-system", values))
    accounts, variables, labels = {}, {}, {}
    for each in filter(None, documents):
        name = each["metadata"]["name"]
        if each["kind"] == "ServiceAccount":
            accounts[name] = each["metadata"].get("annotations")
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]
            [container] = pod["spec"]["containers"]
            variables[name] = {one["name"]: one.get("value") for one in container["env"]}
            labels[name] = pod["metadata"]["labels"]
    return accounts, variables, labels


def test_the_chart_takes_the_values_for_google(modules: dict[str, Module], helm: Helm) -> None:
    accounts, variables, _ = rendered(helm, modules["gcp"], GIVEN["gcp"], GOOGLE)
    for half in ("listener", "reconciler"):
        email = f"hark-{half}@shop-prod.iam.gserviceaccount.com"
        assert accounts[f"hark-{half}"]["iam.gke.io/gcp-service-account"] == email
        assert variables[f"hark-{half}"]["GOOGLE_CLOUD_PROJECT"] == "shop-prod"
    subscriptions = variables["hark-listener"]["HARK_PUBSUB_SUBSCRIPTIONS"]
    assert subscriptions == "projects/shop-prod/subscriptions/hark"


WAYS = [
    (
        {},
        "HARK_AZURE_STORAGE_QUEUES",
        "https://harkshop.queue.core.windows.net/hark",
    ),
    (
        {"delivery": "namespace_topic"},
        "HARK_EVENTGRID_SUBSCRIPTIONS",
        f"https://{HOST}/topics/secrets/subscriptions/hark",
    ),
    (
        {
            "delivery": "webhook",
            "webhook_url": "https://hark.example/v1/eventgrid",
            "webhook_audience": TENANT,
        },
        "HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS",
        "hark",
    ),
]


@pytest.mark.parametrize(("way", "variable", "value"), WAYS)
def test_the_chart_takes_the_values_for_azure(
    modules: dict[str, Module], helm: Helm, way: dict[str, Any], variable: str, value: str
) -> None:
    given = {**GIVEN["azure"], **way}
    accounts, variables, labels = rendered(helm, modules["azure"], given, AZURE)
    for half in ("listener", "reconciler"):
        annotations = accounts[f"hark-{half}"]
        assert annotations["azure.workload.identity/client-id"] == f"id-of-{half}"
        assert labels[f"hark-{half}"]["azure.workload.identity/use"] == "true"
    assert variables["hark-listener"][variable] == value
    others = {name for _way, name, _value in WAYS} - {variable}
    assert not others & set(variables["hark-listener"])


ROLES = {
    "gcp": {
        ("listener", "roles/iam.workloadIdentityUser"),
        ("listener", "roles/pubsub.subscriber"),
        ("reconciler", "roles/iam.workloadIdentityUser"),
        ("reconciler", "roles/secretmanager.secretAccessor"),
        ("reconciler", "roles/secretmanager.viewer"),
    },
    "azure": {
        ("listener", "each.value"),
        ("listener", "EventGrid Data Receiver"),
        ("reconciler", "Key Vault Secrets User"),
    },
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_halves_are_given_these_roles_and_no_others(
    modules: dict[str, Module], cloud: str
) -> None:
    given = {
        (half, (each.attributes.get("role") or each.attributes["role_definition_name"]).strip('"'))
        for each in modules[cloud].blocks("resource")
        for half in ("listener", "reconciler")
        if {"role", "role_definition_name"} & set(each.attributes)
        and any(f".{half}." in name for name in each.references)
    }
    assert given == ROLES[cloud]


def test_azures_listener_takes_from_the_queue_and_only_adds_to_the_other(
    modules: dict[str, Module],
) -> None:
    assert modules["azure"].scope(GIVEN["azure"], AZURE)["local"]["queue_roles"] == {
        "hark": "Storage Queue Data Message Processor",
        "hark-poison": "Storage Queue Data Message Sender",
    }


def test_azures_reconciler_reads_the_vaults_or_the_secrets_that_are_named(
    modules: dict[str, Module],
) -> None:
    whole = modules["azure"].scope(GIVEN["azure"], AZURE)["local"]["readable"]
    assert set(whole.values()) == {VAULT}
    given = {**GIVEN["azure"], "secrets": {"shop": ["db", "mail"]}}
    some = modules["azure"].scope(given, AZURE)["local"]["readable"]
    assert set(some.values()) == {f"{VAULT}/secrets/db", f"{VAULT}/secrets/mail"}


def test_googles_reconciler_is_bound_to_the_prefix(modules: dict[str, Module]) -> None:
    given = {**GIVEN["gcp"], "secret_prefix": "prod-", "version_metadata": False}
    found = modules["gcp"].scope(given, GOOGLE)["local"]
    expected = 'resource.name.extract("/secrets/{name}").startsWith("prod-")'
    assert found["prefix_condition"] == expected
    assert found["metadata_readers"] == []
    bound = [each for each in modules["gcp"].blocks("resource") if "iam" in each.labels[0]]
    readers = [each for each in bound if "secretmanager." in each.attributes["role"]]
    assert [each.blocks[0].labels for each in readers] == [("condition",), ("condition",)]


def test_the_audit_log_is_heard_on_demand(modules: dict[str, Module]) -> None:
    assert modules["gcp"].scope(GIVEN["gcp"], GOOGLE)["local"]["sinks"] == []
    asked = {**GIVEN["gcp"], "audit_log_sink": True}
    assert modules["gcp"].scope(asked, GOOGLE)["local"]["sinks"] == ["shop-prod"]


GCLOUD = """\
#!/bin/sh
case "$2" in
list) printf 'prod-db,\\nprod-old,%s\\nprod-two,"%s-2,%s-3"\\ntest-db,\\n' "$T" "$T" "$T" ;;
update) echo "$@" >>"$LOG" ;;
esac
"""


def test_the_command_adds_the_topic_to_the_secrets_that_lack_it(tmp_path: Path) -> None:
    program = tmp_path / "gcloud"
    program.write_text(GCLOUD)
    program.chmod(0o700)
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "T": TOPIC, "LOG": str(log)}
    script = INFRA / "gcp" / "set-topics.sh"
    subprocess.run([str(script), "shop-prod", TOPIC, "prod-"], env=environment, check=True)
    updated = re.findall(r"secrets update (\S+) .*--add-topics (\S+) ", log.read_text())
    assert updated == [("prod-db", TOPIC), ("prod-two", TOPIC)]
