"""The token endpoints of Microsoft Entra ID and of a node's metadata service, as far as a process
without a user needs them.

Part of the Azure double (testbed.azure). It knows one tenant with one application, which proves
itself by a client secret or by any of some ServiceAccount tokens, and one managed identity. Tokens
are opaque and expire after `lifetime`; those that applications show to others, as Event Grid does,
are signed by a key that the tenant publishes (`sign`).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.parse
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from testbed import eventgrid, keyvault
from testbed.azurecall import Answer, Call

AUTHORITY = "login.microsoftonline.com"
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
_SCOPES = {keyvault.SCOPE, eventgrid.SCOPE}
_SKEW = 300.0
"""Seconds that an expired token is still taken, as clocks differ."""


class Entra:
    """One tenant."""

    def __init__(self) -> None:
        self.lifetime = 3600
        """Of new tokens, in seconds."""
        self.client_secret = secrets.token_urlsafe(16)
        self.assertions: list[str] = []
        """ServiceAccount tokens that were shown, in their order; any is good."""
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str], float] = {}
        self._keys: dict[str, rsa.RSAPrivateKey] = {}

    def is_good(self, bearer: str, scope: str) -> bool:
        """Whether a token may be used now, and there."""
        with self._lock:
            return self._tokens.get((bearer, scope), 0.0) + _SKEW > time.time()

    def sign(self, claims: dict[str, Any], key_id: str = "one", algorithm: str = "RS256") -> str:
        """A token of these claims; a key that is new is published from then on."""
        with self._lock:
            key = self._keys.get(key_id)
            if key is None:
                key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
                self._keys[key_id] = key
        # Not by jwt.encode, which makes no token whose claims are of a wrong kind.
        payload = json.dumps(claims).encode()
        return jwt.api_jws.encode(payload, key, algorithm, {"kid": key_id})

    def published(self) -> dict[str, Any]:
        """The tenant's public keys (JSON Web Key Set)."""
        with self._lock:
            keys = dict(self._keys)
        shown = [
            {
                **jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True),
                "kid": key_id,
                "use": "sig",
            }
            for key_id, key in keys.items()
        ]
        return {"keys": shown}

    def answer(self, call: Call) -> Answer:
        """Answer a call to the authority."""
        if call.path == f"/{TENANT}/discovery/v2.0/keys":
            return Answer(200, self.published())
        if call.operation == "token":
            return self._token(dict(urllib.parse.parse_qsl(call.body.decode())))
        base = f"https://{AUTHORITY}/{TENANT}"
        if "openid-configuration" in call.path:
            return Answer(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
        aliases = [AUTHORITY, "login.windows.net"]
        about = {"preferred_network": AUTHORITY, "preferred_cache": AUTHORITY, "aliases": aliases}
        configuration = f"{base}/v2.0/.well-known/openid-configuration"
        return Answer(
            200,
            {"tenant_discovery_endpoint": configuration, "api-version": "1.1", "metadata": [about]},
        )

    def metadata(self, call: Call) -> Answer:
        """Answer a call to the metadata service of a node."""
        if call.headers.get("metadata") != "true":
            return Answer(400, {"error": "invalid_request"})
        resource = call.query.get("resource", "")
        token, expires_on = self._issue(f"{resource}/.default")
        return Answer(
            200,
            {
                "access_token": token,
                "expires_in": str(self.lifetime),
                "expires_on": str(int(expires_on)),
                "resource": resource,
                "token_type": "Bearer",
            },
        )

    def _token(self, form: dict[str, str]) -> Answer:
        if form.get("client_id") != CLIENT or form.get("grant_type") != "client_credentials":
            return _refused("AADSTS700016: Application was not found in the directory.")
        scope = form.get("scope", "")
        if scope not in _SCOPES:
            return _refused("AADSTS500011: The resource principal was not found in the tenant.")
        if "client_assertion" in form:
            self.assertions.append(form["client_assertion"])
        elif form.get("client_secret") != self.client_secret:
            return _refused("AADSTS7000215: Invalid client secret provided.")
        token, _ = self._issue(scope)
        issued: dict[str, Any] = {"token_type": "Bearer", "access_token": token}
        lives = {"expires_in": self.lifetime, "ext_expires_in": self.lifetime}
        return Answer(200, {**issued, **lives})

    def _issue(self, scope: str) -> tuple[str, float]:
        token = secrets.token_urlsafe(24)
        expires_on = time.time() + self.lifetime
        with self._lock:
            self._tokens[token, scope] = expires_on
        return token, expires_on


def _refused(said: str) -> Answer:
    # The real one ends with ids and the time, another each time.
    trace = f"Trace ID: {secrets.token_hex(16)} Timestamp: {time.time()}"
    return Answer(401, {"error": "invalid_client", "error_description": f"{said} {trace}"})
