"""Keys of an issuer, fetched from its key server, refreshed ahead of expiry and kept during an outage.

Rejects plain http, redirects, responses that are too large, and private or weak keys.
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
