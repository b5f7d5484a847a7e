"""Keys: what signs and what verifies. The only part of gatepass that touches PyJWT and cryptography."""

from gatepass.keys.key import Key
from gatepass.keys.key_set import KeySet

__all__ = ["Key", "KeySet"]
