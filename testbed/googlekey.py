"""A key of a Google service account that no Google knows: for credentials that need no server.

Google's libraries sign their tokens with it themselves (self-signed JWT), so that the doubles get
bearer tokens as the real services do.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def write_key(file: Path, project: str) -> None:
    """Write what GOOGLE_APPLICATION_CREDENTIALS may name."""
    key = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "1",
        "private_key": _private_key(),
        "client_email": f"hark@{project}.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    file.write_text(json.dumps(key), encoding="utf-8")


@functools.cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()
