"""Refresh tokens: families, rotation, revocation, and the endpoints that serve them."""

from gatepass.refresh.family import Family, RefreshToken, Rotation
from gatepass.refresh.pair import TokenPair
from gatepass.refresh.service import TokenService
from gatepass.refresh.store import Purged, RefreshStore

__all__ = ["Family", "Purged", "RefreshStore", "RefreshToken", "Rotation", "TokenPair", "TokenService"]
