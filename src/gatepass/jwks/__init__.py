"""An issuer's keys from its own server: fetched, refreshed ahead, kept through an outage, and never trusted blindly."""

from gatepass.jwks.address import IssuerMetadata
from gatepass.jwks.client import JWKSClient
from gatepass.jwks.events import FetchEnded, FetchFailed, KeyEvent, KeysChanged, StaleKeysUsed, UnknownKid
from gatepass.jwks.http import PLAIN_HTTP_ON_LOOPBACK

__all__ = [
    "PLAIN_HTTP_ON_LOOPBACK",
    "FetchEnded",
    "FetchFailed",
    "IssuerMetadata",
    "JWKSClient",
    "KeyEvent",
    "KeysChanged",
    "StaleKeysUsed",
    "UnknownKid",
]
