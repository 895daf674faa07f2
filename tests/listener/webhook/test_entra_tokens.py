"""Callers who carry a token of Microsoft Entra ID."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from listener.webhook.entra import EntraTokens, Wanted
from listener.webhook.proof import CannotTell, NotAllowed, NotProven, Shown
from testbed.azure import AzureDouble
from testbed.azurecall import Answer, Call
from testbed.entra import AUTHORITY, TENANT

APPLICATION = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
AUDIENCE = "api://hark"
ROLE = "AzureEventGridSecureWebhookSubscriber"


class Desk:
    """The check of tokens, and the tenant that issues them."""

    def __init__(self, azure: AzureDouble) -> None:
        self.azure = azure
        self.seconds = 0.0
        self.tokens = EntraTokens(
            Wanted(TENANT, (AUDIENCE,), ROLE),
            lambda name: name == APPLICATION,
            lambda: time.monotonic() + self.seconds,
        )

    def caller(self, token: str) -> str:
        return self.tokens.caller(Shown(token, ""))

    def fetches(self) -> int:
        return sum(call.path.endswith("/keys") for call in self.azure.calls())


@pytest.fixture
def desk(azure: AzureDouble, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("SSL_CERT_FILE", str(azure.ca_file))
    return Desk(azure)


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {
        "aud": AUDIENCE,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "tid": TENANT,
        "appid": APPLICATION,
        "roles": [ROLE],
        "nbf": now - 10,
        "exp": now + 600,
        **other,
    }
    return {name: value for name, value in said.items() if value is not None}


def by_hand(header: dict[str, Any], said: dict[str, Any], key: bytes) -> str:
    """A token that no library makes: signed by a public key, as if that were a secret."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, said)]
    text = b".".join(parts)
    signature = urlsafe_b64encode(hmac.digest(key, text, "sha256")).rstrip(b"=")
    return b".".join([text, signature]).decode()


def test_a_good_token_names_its_application_in_both_versions(desk: Desk) -> None:
    sign = desk.azure.entra.sign
    assert desk.caller(sign(claims())) == APPLICATION
    second = claims(iss=f"https://{AUTHORITY}/{TENANT}/v2.0", appid=None, azp=APPLICATION)
    assert desk.caller(sign(second)) == APPLICATION
    assert desk.fetches() == 1


@pytest.mark.parametrize(
    ("wrong", "refusal", "says"),
    [
        ({"aud": "api://other"}, NotProven, "audience"),
        ({"iss": "https://sts.windows.net/other/"}, NotProven, "issued by"),
        ({"iss": [f"https://sts.windows.net/{TENANT}/"]}, NotProven, "not valid|issued by"),
        ({"iss": {}}, NotProven, "not valid|issued by"),
        ({"aud": [7, {}]}, NotProven, "not valid|audience"),
        ({"exp": [4_000_000_000]}, NotProven, "not valid"),
        ({"exp": float("inf")}, NotProven, "not valid"),
        ({"nbf": {}}, NotProven, "not valid"),
        ({"iat": []}, NotProven, "not valid"),
        ({"tid": "other"}, NotProven, "tenant"),
        ({"exp": 1_600_000_000}, NotProven, "expired"),
        ({"exp": None}, NotProven, "not valid"),
        ({"nbf": 4_000_000_000}, NotProven, "not valid"),
        ({"appid": "other"}, NotAllowed, "callers"),
        ({"appid": None}, NotAllowed, "callers"),
        ({"appid": [APPLICATION]}, NotAllowed, "callers"),
        ({"scp": "user_impersonation"}, NotAllowed, "of a user"),
        ({"roles": ["other"]}, NotAllowed, "role"),
        ({"roles": ROLE}, NotAllowed, "role"),
        ({"roles": None}, NotAllowed, "role"),
    ],
)
def test_a_token_that_says_anything_wrong_is_refused(
    desk: Desk, wrong: dict[str, Any], refusal: type[Exception], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        desk.caller(desk.azure.entra.sign(claims(**wrong)))


NESTED = urlsafe_b64encode(b"[" * 9_000).decode()


@pytest.mark.parametrize(
    "token", ["", "a.b.c", "x" * 20_000, "\u00e4.\u00e4.\u00e4", f"{NESTED}.e30.e30"]
)
def test_what_is_no_token_is_refused(desk: Desk, token: str) -> None:
    with pytest.raises(NotProven):
        desk.caller(token)
    assert desk.fetches() == 0


def test_no_algorithm_but_rs256_is_taken(desk: Desk) -> None:
    entra = desk.azure.entra
    good = entra.sign(claims())
    desk.caller(good)
    unsigned = jwt.encode(claims(), "", "none", {"kid": "one"})
    public = jwt.PyJWK(entra.published()["keys"][0]).key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    symmetric = by_hand({"alg": "HS256", "kid": "one"}, claims(), public)
    other_hash = entra.sign(claims(), algorithm="RS512")
    head, _, rest = good.partition(".")
    forged = f"{head}.{jwt.encode(claims(aud='x'), 'k' * 32).split('.')[1]}.{rest.split('.')[1]}"
    for token in (unsigned, symmetric, other_hash, forged):
        with pytest.raises(NotProven):
            desk.caller(token)


def test_a_minute_by_which_clocks_differ_is_borne_and_no_more(desk: Desk) -> None:
    now = int(time.time())
    sign = desk.azure.entra.sign
    assert desk.caller(sign(claims(exp=now - 30))) == APPLICATION
    assert desk.caller(sign(claims(nbf=now + 30))) == APPLICATION
    for wrong in ({"exp": now - 61}, {"nbf": now + 120}):
        with pytest.raises(NotProven):
            desk.caller(sign(claims(**wrong)))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "RS256", "kid": ["one"]},
        {"alg": "RS256", "kid": "../../etc/passwd"},
        {"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]},
        {"alg": "ES256", "kid": "one", "jwk": {"kty": "oct", "k": "AA"}},
        {"alg": ["RS256"], "kid": "one"},
        {"kid": "one"},
        ["RS256"],
    ],
)
def test_a_header_that_tells_another_way_of_checking_is_refused(desk: Desk, header: Any) -> None:
    _, said, signature = desk.azure.entra.sign(claims()).split(".")
    head = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    with pytest.raises(NotProven):
        desk.caller(f"{head}.{said}.{signature}")
    with pytest.raises(NotProven):
        desk.caller(f"{head}.{said}.")


def test_a_new_key_is_fetched_and_a_flood_of_unknown_ones_is_not(desk: Desk) -> None:
    sign = desk.azure.entra.sign
    desk.caller(sign(claims()))
    for number in range(50):
        with pytest.raises(NotProven):
            desk.caller(jwt.encode(claims(), "k" * 32, headers={"kid": f"unknown-{number}"}))
    assert desk.fetches() == 1
    renewed = sign(claims(), key_id="two")
    desk.seconds += 31
    assert desk.caller(renewed) == APPLICATION
    assert desk.fetches() == 2


def test_while_the_tenant_is_away_known_keys_are_good(desk: Desk) -> None:
    def away(_call: Call) -> Answer:
        return Answer(503, {})

    token = desk.azure.entra.sign(claims())
    end = desk.azure.when(away)
    with pytest.raises(CannotTell):
        desk.caller(token)
    end()
    desk.seconds += 31
    desk.caller(token)
    desk.azure.when(away)
    desk.seconds += 90_000
    assert desk.caller(desk.azure.entra.sign(claims())) == APPLICATION


def test_keys_come_from_the_tenant_whatever_the_token_says(desk: Desk) -> None:
    token = jwt.encode(
        claims(),
        "k" * 32,
        headers={"kid": "x", "jku": "https://evil.test/keys", "x5u": "https://e"},
    )
    with pytest.raises((NotProven, CannotTell)):
        desk.caller(token)
    hosts = {call.host for call in desk.azure.calls()}
    assert hosts == {AUTHORITY}
