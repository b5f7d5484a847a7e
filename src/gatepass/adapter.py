"""What the author of an adapter needs beside the names of `gatepass` itself.

An adapter imports `gatepass`, this module and `gatepass.errors`. It hands the request's fields to `ResourceServer`,
sends its `Response`, and asks here how open a route is and whether guards stand where they were meant to.
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
