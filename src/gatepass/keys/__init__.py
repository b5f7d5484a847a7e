"""Keys, sets of keys, and sources of keys that change. The only package that uses PyJWT and cryptography.

Refused: a second algorithm for a key, secrets and asymmetric keys in one set, weak keys, key material as a secret.
"""

from gatepass.keys.key import Key
from gatepass.keys.key_set import KeySet

__all__ = ["Key", "KeySet"]
