"""Public keys on the Edwards curves that need no private key: points of small order.

With such a key some signatures hold for many messages, and the signer of none of them knows a secret.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gatepass.errors import ConfigurationError

__all__ = ["check_edwards_point"]

_P25519: Final = 2**255 - 19
_P448: Final = 2**448 - 2**224 - 1
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
"""A root of d*y^4 + 2*y^2 = 1: the points that are of order 4 when they are doubled."""
# By y alone: the points of one y, with either sign of x, have the same order.
_SMALL_25519: Final = frozenset((0, 1, _P25519 - 1, _ORDER_8, _P25519 - _ORDER_8))
_SMALL_448: Final = frozenset((0, 1, _P448 - 1))


def check_edwards_point(key: Ed25519PublicKey | Ed448PublicKey) -> None:
    """Raise `ConfigurationError` for a point of small order, and for a y that is not below the field's prime."""
    octets = key.public_bytes_raw()
    y = int.from_bytes(octets, "little") & ~(1 << (8 * len(octets) - 1))  # the highest bit is the sign of x
    prime, small = (_P25519, _SMALL_25519) if isinstance(key, Ed25519PublicKey) else (_P448, _SMALL_448)
    if y >= prime or y in small:
        raise ConfigurationError("this public key is no secret's: it is a point of small order, or not in its one form")
