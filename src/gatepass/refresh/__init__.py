"""Refresh tokens: families, their rotation, their revocation, and the protocol of their store.

Every invalid refresh token is refused with the same error. The endpoints are in `gatepass.token_endpoint`.
"""

from gatepass.refresh.family import Family, RefreshToken, Rotation
from gatepass.refresh.pair import TokenPair
from gatepass.refresh.service import TokenService
from gatepass.refresh.session import Session, SessionPage
from gatepass.refresh.store import PurgeResult, RefreshStore, purge_store

__all__ = [
    "Family", "PurgeResult", "RefreshStore", "RefreshToken", "Rotation", "Session", "SessionPage",
    "TokenPair", "TokenService", "purge_store",
]  # fmt: skip
