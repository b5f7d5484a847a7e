"""An issuer's keys from its own server: fetched, refreshed ahead and kept through an outage.

Refused are plain http, redirects, answers that are too large, and private or weak keys.
"""

from gatepass.jwks.client import JWKSClient
from gatepass.jwks.discovery import IssuerMetadata
from gatepass.jwks.events import FetchEnded, FetchFailed, KeyEvent, KeysChanged, StaleKeysUsed, UnknownKid

__all__ = [
    "FetchEnded",
    "FetchFailed",
    "IssuerMetadata",
    "JWKSClient",
    "KeyEvent",
    "KeysChanged",
    "StaleKeysUsed",
    "UnknownKid",
]
