"""Signatures of the demo model's thinking, by which a changed block is told, and one of another model.

The key is fixed, not secret: a conversation kept on disk must still be accepted by the next server process.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_KEY = b"claude_magic offline demo model"
_SALT_BYTES = 16


def sign(text: str, request: bytes, model: str) -> str:
    """Return the signature of a model's thinking as it is shown; `request` makes it differ per request."""
    salt = hashlib.sha256(request).digest()[:_SALT_BYTES]
    return base64.b64encode(salt + _mac(salt, text, model)).decode()


def is_genuine(text: str, signature: str, model: str) -> bool:
    """Return whether this text carries a signature of ours, made for this model."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    salt, mac = raw[:_SALT_BYTES], raw[_SALT_BYTES:]
    return hmac.compare_digest(mac, _mac(salt, text, model))


def _mac(salt: bytes, text: str, model: str) -> bytes:
    return hmac.new(_KEY, salt + model.encode() + b"\0" + text.encode(), hashlib.sha256).digest()
