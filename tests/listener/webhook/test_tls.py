"""The webhook's own certificate, and its renewal."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from externalsecret.errors import GiveUp
from worlds.webhook import Hook, announcement, plan

Open = Callable[..., Hook]
EVENT = announcement("secret/data/app")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def write(authority: trustme.CA, folder: Path) -> None:
    made = authority.issue_cert("localhost")
    (folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / "tls.key")


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def secured(open_hook: Open, authority: trustme.CA, tmp_path: Path) -> Hook:
    write(authority, tmp_path)
    cert, key = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    hook = open_hook(plan=replace(plan(tmp_path), cert=cert, key=key), tls=trusting(authority))
    hook.listen()
    return hook


def shown(hook: Hook, authority: trustme.CA) -> int:
    """The serial number of the certificate that a new connection is shown."""
    address = ("localhost", hook.source.port)
    with (
        socket.create_connection(address, timeout=60) as plain,
        trusting(authority).wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        certificate = wrapped.getpeercert()
    assert certificate is not None
    number = certificate["serialNumber"]
    assert isinstance(number, str)
    return int(number, 16)


def test_a_renewed_certificate_is_shown_to_the_next_connection(
    secured: Hook, authority: trustme.CA, tmp_path: Path
) -> None:
    assert secured.post(EVENT).status == 200
    old = shown(secured, authority)
    write(authority, tmp_path)
    assert shown(secured, authority) != old
    assert secured.post(EVENT).status == 200


def test_a_broken_renewal_leaves_the_old_certificate_and_is_told(
    secured: Hook, authority: trustme.CA, tmp_path: Path
) -> None:
    old = shown(secured, authority)
    (tmp_path / "tls.crt").write_text("no certificate")
    assert shown(secured, authority) == old
    assert shown(secured, authority) == old
    assert secured.sample("webhook_reload_failures_total", reason="InvalidCertificate") == 1
    (tmp_path / "tls.key").unlink()
    assert shown(secured, authority) == old
    write(authority, tmp_path)
    assert shown(secured, authority) != old


def test_who_speaks_no_tls_holds_up_nobody(secured: Hook) -> None:
    address = ("127.0.0.1", secured.source.port)
    silent = [socket.create_connection(address) for _ in range(40)]
    with socket.create_connection(address, timeout=60) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: hark\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP/1.1 2")
    assert secured.post(EVENT).status == 200
    for connection in silent:
        connection.close()


def test_without_a_certificate_to_begin_with_it_is_not_opened(
    open_hook: Open, tmp_path: Path
) -> None:
    cert, key = str(tmp_path / "none.crt"), str(tmp_path / "none.key")
    with pytest.raises(GiveUp) as refusal:
        open_hook(plan=replace(plan(tmp_path), cert=cert, key=key))
    assert "none.crt" in str(refusal.value)
