"""Issue and check JWT access tokens, with the same exact answers in Flask, Starlette, FastAPI and Django.

`TokenIssuer` makes tokens, `TokenVerifier` checks them, `ResourceServer` turns a request's credentials into an
`AccessToken` and a refusal into an HTTP answer. `TokenService` keeps people signed in with refresh tokens, and
`TokenEndpoints` serves it. The packages `gatepass_flask`, `gatepass_starlette`,
`gatepass_fastapi` and `gatepass_django` carry that into the frameworks.
"""

import gatepass.tokens.providers  # noqa: F401 - gives Profile the profiles of providers  # pyright: ignore[reportUnusedImport]
from gatepass.common.allow import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER
from gatepass.errors import AuthError, ConfigurationError
from gatepass.http.access import Access, access_of, optional_auth, public, public_paths
from gatepass.http.caching import Caching
from gatepass.http.challenge import Challenge
from gatepass.http.cookies import BrowserRequest, CookieTransport
from gatepass.http.guards import check_guards, standing_before
from gatepass.http.jwks_endpoint import JWKSEndpoint
from gatepass.http.layers import application_below, held_below
from gatepass.http.requirement import Requirement, Rules
from gatepass.http.resource_server import ResourceServer
from gatepass.http.response import Response
from gatepass.jwks import JWKSClient
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.refresh import TokenPair, TokenService
from gatepass.refresh.errors import TokenEndpointError
from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.token_endpoint.endpoint import TokenEndpoints, TokenRequest
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.issuer import TokenIssuer
from gatepass.tokens.profile import ANY_AUDIENCE, ANY_ISSUER, Profile
from gatepass.tokens.verifier import TokenVerifier

__all__ = [
    "ANY_AUDIENCE",
    "ANY_ISSUER",
    "HTTP_ON_LOOPBACK",
    "NON_HTTPS_ISSUER",
    "Access",
    "AccessToken",
    "AccessTokenRevocation",
    "AuthError",
    "BrowserRequest",
    "Caching",
    "Challenge",
    "ConfigurationError",
    "CookieTransport",
    "JWKSClient",
    "JWKSEndpoint",
    "Key",
    "KeyRing",
    "KeySet",
    "Profile",
    "Requirement",
    "ResourceServer",
    "Response",
    "Rules",
    "TokenEndpointError",
    "TokenEndpoints",
    "TokenIssuer",
    "TokenPair",
    "TokenRequest",
    "TokenService",
    "TokenVerifier",
    "access_of",
    "application_below",
    "check_guards",
    "held_below",
    "optional_auth",
    "public",
    "public_paths",
    "standing_before",
]
