"""What key vaults and Vault announce by the webhook, through the whole product."""

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509

from testbed.azure import AzureDouble
from testbed.installation import HarkProcess
from testbed.openbao import Bao
from worlds.pipeline import Pipeline, port_of
from worlds.spine import Spine, unique
from worlds.vaultwatch import VaultWatch
from worlds.webhook import SECRET, announcement, grid_event

GRID = {
    "Authorization": f"Bearer {SECRET}",
    "Content-Type": "application/json",
    "aeg-subscription-name": "SHOP",
}


class Push:
    """Event Grid, which pushes over TLS to the webhook of a listener."""

    def __init__(self, listener: HarkProcess, authority: trustme.CA) -> None:
        self._address = ("localhost", port_of(listener))
        self._trust = ssl.create_default_context()
        authority.configure_trust(self._trust)

    def post(self, kind: str, event: dict[str, Any]) -> tuple[int, Any]:
        """The answer to a batch of one event: its status and body."""
        connection = http.client.HTTPSConnection(*self._address, timeout=60, context=self._trust)
        try:
            headers = {**GRID, "aeg-event-type": kind}
            connection.request("POST", "/v1/eventgrid", json.dumps([event]), headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def serial_number(self) -> int:
        """Of the certificate that the next connection is shown."""
        with (
            socket.create_connection(self._address, timeout=60) as plain,
            self._trust.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            shown = wrapped.getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)


def _serve_tls(authority: trustme.CA, folder: Path) -> int:
    """Write a certificate with its key; its serial number."""
    made = authority.issue_cert("localhost")
    made.private_key_and_cert_chain_pem.write_to_path(folder / "next.pem")
    (folder / "next.pem").replace(folder / "tls.pem")
    return x509.load_pem_x509_certificate(made.cert_chain_pems[0].bytes()).serial_number


def test_event_grid_pushes_to_the_secret_also_after_the_certificate_was_renewed(
    spine: Spine, tmp_path: Path
) -> None:
    vault, authority = unique("kv"), trustme.CA()
    first = _serve_tls(authority, tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "grid").write_text(SECRET)
    (tmp_path / "callers.yaml").write_text(
        f"[{{secret: grid, announces: [{{backend: azureKeyVault, keyVaultName: {vault}}}]}}]"
    )
    listening = {
        "HARK_SQS_QUEUE_URLS": "",
        "HARK_WEBHOOK_PORT": "0",
        "HARK_WEBHOOK_AUTH": "secret",
        "HARK_WEBHOOK_SECRETS": str(tmp_path / "secrets"),
        "HARK_WEBHOOK_CALLERS": str(tmp_path / "callers.yaml"),
        "HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS": "shop",
        "HARK_WEBHOOK_TLS_CERT": str(tmp_path / "tls.pem"),
        "HARK_WEBHOOK_TLS_KEY": str(tmp_path / "tls.pem"),
    }
    with AzureDouble(tmp_path) as azure:
        azure.vaults.create(vault)
        spine.reconciler(environment={**azure.env(), **azure.client_env(), "DISABLE_POLLING": ""})
        push = Push(spine.listener(environment=listening), authority)
        asked = {
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": {"validationCode": "512d38b6", "validationUrl": "http://127.0.0.1:1/never"},
        }
        answered = (200, {"validationResponse": "512d38b6"})
        assert push.post("SubscriptionValidation", asked) == answered
        azure.vaults.put(vault, "db", "first")
        item = {"key": "db", "name": "entry"}
        spine.apply(vault, {"backendType": "azureKeyVault", "keyVaultName": vault, "data": [item]})
        spine.await_data(vault, entry=b"first")

        assert push.serial_number() == first
        renewed = _serve_tls(authority, tmp_path)
        assert push.serial_number() == renewed
        version = azure.vaults.put(vault, "db", "second")
        event = grid_event("db", vault)
        event["data"].update(Id="", Version=version)
        assert push.post("Notification", event) == (200, {"noted": True})
        spine.await_data(vault, entry=b"second")
        spine.await_version(vault, version)


def test_writes_that_a_pipeline_announces_by_one_id_all_reach_the_secret(
    spine: Spine, bao: Bao, tmp_path: Path
) -> None:
    watch = VaultWatch(spine, bao, tmp_path)
    reading = {**watch.reconciler_env, "VAULT_ADDR": bao.url}
    pipeline = Pipeline(spine, tmp_path, f"backend: vault, prefix: {watch.mount}/data/", reading)
    watch.write("app", "one")
    watch.apply("app", "app")
    spine.await_data("app", app=b"one")
    listener = pipeline.listener()
    careless = {"time": None, "id": "always-the-same"}
    for value in ("two", "three"):
        version = watch.write("app", value)
        pipeline.post_until_taken(listener, {**announcement(f"{watch.mount}/data/app"), **careless})
        spine.await_data("app", app=value.encode())
        spine.await_version("app", version)
    other = announcement(f"{watch.other}/data/app")
    assert pipeline.post(listener, other) == 403
    watch.close()
