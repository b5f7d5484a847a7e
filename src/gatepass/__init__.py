"""Issue and verify JWT access tokens, with identical responses in Flask, Starlette, FastAPI and Django.

`TokenIssuer` issues tokens, `TokenVerifier` verifies them, and `ResourceServer` turns a request's credentials into an
`AccessToken` and a refusal into an HTTP response. `TokenService` keeps users signed in with refresh tokens, and
`TokenEndpoints` serves it over HTTP. The packages `gatepass_flask`, `gatepass_starlette`, `gatepass_fastapi` and
`gatepass_django` are the adapters for the frameworks.
"""

from gatepass.common.allow import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER
from gatepass.errors import AuthError, ConfigurationError
from gatepass.http.access import optional_auth, public
from gatepass.http.challenge import Challenge
from gatepass.http.cookies import CookieTransport
from gatepass.http.requirement import Requirement
from gatepass.http.resource_server import ResourceServer
from gatepass.jwks import JWKSClient
from gatepass.keyring import KeyRing
from gatepass.keys import Key, KeySet
from gatepass.refresh import TokenPair, TokenService
from gatepass.refresh.errors import TokenEndpointError
from gatepass.revocation.access_tokens import AccessTokenRevocation
from gatepass.token_endpoint.endpoint import TokenEndpoints
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.issuer import TokenIssuer
from gatepass.tokens.profile import ANY_AUDIENCE, ANY_ISSUER, Profile
from gatepass.tokens.verifier import TokenVerifier

__all__ = [
    "ANY_AUDIENCE",
    "ANY_ISSUER",
    "HTTP_ON_LOOPBACK",
    "NON_HTTPS_ISSUER",
    "AccessToken",
    "AccessTokenRevocation",
    "AuthError",
    "Challenge",
    "ConfigurationError",
    "CookieTransport",
    "JWKSClient",
    "Key",
    "KeyRing",
    "KeySet",
    "Profile",
    "Requirement",
    "ResourceServer",
    "TokenEndpointError",
    "TokenEndpoints",
    "TokenIssuer",
    "TokenPair",
    "TokenService",
    "TokenVerifier",
    "optional_auth",
    "public",
]
