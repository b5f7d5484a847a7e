"""The endpoints as blueprints: `app.register_blueprint(token_endpoints(endpoints))`; likewise `jwks_endpoint(keys)`.

The views take every method, because the core responds to all of them, and are public: a client that refreshes has no
valid access token. With an extension that checks forms for CSRF tokens, exempt the blueprint of the token endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import flask
from flask import Blueprint, request
from flask.blueprints import BlueprintSetupState

from gatepass import Key, KeyRing, KeySet, TokenEndpoints, public
from gatepass.adapter import JWKSEndpoint, Response, TokenRequest
from gatepass_flask.http import browser_request, header_lines, is_forwarded, read_body, to_response
from gatepass_flask.internals import endpoint_name

__all__ = ["jwks_endpoint", "token_endpoints"]


def token_endpoints(
    endpoints: TokenEndpoints,
    *,
    token_path: str = "/token",  # noqa: S107 - a path
    revocation_path: str = "/revoke",
    name: str = "gatepass",
) -> Blueprint:
    """Return a blueprint with both endpoints; `url_prefix=` at its registration precedes both paths.

    Raises `ConfigurationError` if a function of *endpoints* or of its service is a coroutine function.
    """
    TokenEndpoints.expect(endpoints).require_sync()
    blueprint = Blueprint(name, __name__)
    for path, endpoint, serve in (
        (token_path, "token", endpoints.token),
        (revocation_path, "revoke", endpoints.revoke),
    ):
        blueprint.record(_rule(path, endpoint, _view(serve, endpoints.body_limit)))
    return blueprint


def jwks_endpoint(
    keys: KeyRing | Key | KeySet | Iterable[Key],
    *,
    path: str = "/.well-known/jwks.json",
    cache_ttl: float | timedelta | None = None,
    name: str = "gatepass_jwks",
) -> Blueprint:
    """Return a blueprint that publishes *keys*; others may cache them for *cache_ttl*, which a ring sets itself."""
    endpoint = JWKSEndpoint(keys, cache_ttl=cache_ttl)

    @public
    def view() -> flask.Response:
        if_none_match = header_lines(request.environ, "HTTP_IF_NONE_MATCH")
        return to_response(endpoint.answer(request.environ["REQUEST_METHOD"], if_none_match=if_none_match))

    blueprint = Blueprint(name, __name__)
    blueprint.record(_rule(path, "jwks", view))
    return blueprint


def _view(serve: Callable[[TokenRequest], Response], limit: int) -> Callable[[], flask.Response]:
    @public
    def view() -> flask.Response:
        environ = request.environ
        method: str = environ["REQUEST_METHOD"]  # request.method is in capitals
        token_request = TokenRequest(
            method=method,
            content_type=environ.get("CONTENT_TYPE", ""),
            authorization=header_lines(environ, "HTTP_AUTHORIZATION"),
            body=read_body(limit) if method == "POST" else b"",
            browser=browser_request(environ),
            url_scheme=environ["wsgi.url_scheme"],
            peer=environ.get("REMOTE_ADDR"),
            forwarded=is_forwarded(environ),
        )
        return to_response(serve(token_request))

    return view


def _rule(path: str, endpoint: str, view: Callable[[], flask.Response]) -> Callable[[BlueprintSetupState], None]:
    def register(state: BlueprintSetupState) -> None:
        # Not app.add_url_rule: such a rule lists its methods, and Flask itself responds to all others.
        full_name = endpoint_name(state, endpoint)
        full_path = f"{(state.url_prefix or '').rstrip('/')}/{path.lstrip('/')}"
        state.app.url_map.add(state.app.url_rule_class(full_path, endpoint=full_name, subdomain=state.subdomain))
        state.app.endpoint(full_name)(view)

    return register
