"""The names that an adapter needs in addition to those of `gatepass` itself.

An adapter imports `gatepass`, this module and `gatepass.errors`. It passes the request's fields to `ResourceServer` and
sends the resulting `Response`. The functions here return a route's access level and check that guards are installed.
"""

from gatepass.common.settings import extra_hint
from gatepass.http.access import AccessLevel, access_level, check_guards, mark_guard, public_paths
from gatepass.http.cookies import BrowserRequest
from gatepass.http.jwks_endpoint import JWKSEndpoint
from gatepass.http.layers import application_below, layer_below
from gatepass.http.requirement import Rules
from gatepass.http.resource_server import Identity
from gatepass.http.response import Caching, Response
from gatepass.token_endpoint.endpoint import TokenRequest

__all__ = [
    "AccessLevel",
    "BrowserRequest",
    "Caching",
    "Identity",
    "JWKSEndpoint",
    "Response",
    "Rules",
    "TokenRequest",
    "access_level",
    "application_below",
    "check_guards",
    "extra_hint",
    "layer_below",
    "mark_guard",
    "public_paths",
]
