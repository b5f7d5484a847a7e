"""The dependency: it provides the verified token of an HTTP or WebSocket route, or refuses the connection.

FastAPI reads and parses a request's body before it calls a dependency. To refuse a request before that, add
`AccessTokenMiddleware`; a token that it verified for the same server is not verified again.
"""

# No postponed annotations here: FastAPI reads those of `__call__`, and old versions cannot resolve strings.
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, NoReturn, Unpack, cast

from fastapi.openapi.models import HTTPBearer
from fastapi.openapi.models import SecurityBase as Scheme
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.responses import Response

from gatepass import AccessToken, AuthError, ConfigurationError, Requirement, ResourceServer
from gatepass.adapter import AccessLevel, Identity, Rules
from gatepass_fastapi.guard import answer_refusals_of, refuse
from gatepass_fastapi.internals import forget_state
from gatepass_starlette.connection import admit
from gatepass_starlette.identity import identify, identity_of
from gatepass_starlette.responses import add_cache_headers
from gatepass_starlette.routes import check_routes

__all__ = ["AccessTokenBearer", "OptionalAccessTokenBearer", "openapi_responses"]


class _InstanceRequired:
    """Raises the error for a class used as a dependency, when FastAPI takes `server` for a query parameter."""

    def __get_pydantic_core_schema__(self, *_: object) -> NoReturn:
        raise ConfigurationError(
            "Depends and Security take an instance, not the class: create it, as in bearer = AccessTokenBearer(server)"
        )


class _Bearer(SecurityBase):
    """The base of both dependencies: the server, the rules, and the scheme that OpenAPI shows."""

    def __init__(
        self,
        server: Annotated[ResourceServer, _InstanceRequired()],
        *,
        openapi: SecurityBase | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        **rules: Unpack[Rules],
    ) -> None:
        if openapi is not None and not isinstance(openapi, SecurityBase):
            raise ConfigurationError(
                'openapi= takes a scheme of fastapi.security, such as OAuth2PasswordBearer(tokenUrl="token")'
            )
        self.model: Scheme = openapi.model if openapi else HTTPBearer(bearerFormat="JWT", description=description)
        self.scheme_name: str = scheme_name or (openapi.scheme_name if openapi else "AccessTokenBearer")
        self._server = ResourceServer.expect(server)
        given: dict[str, Any] = dict(rules)
        # A rule is read again for each set of scopes; an iterator can be read only once.
        for name, value in given.items():
            if isinstance(value, Iterator):
                given[name] = tuple(value)  # pyright: ignore[reportUnknownArgumentType]
        self._rules = cast("Rules", given)
        self._own_scopes = Requirement(**self._rules).scopes
        self._requirements: dict[tuple[str, ...], Requirement] = {}
        self._checked: dict[int, object] = {}

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """The refusals for OpenAPI, which a dependency cannot add itself: `APIRouter(responses=bearer.responses)`."""
        return openapi_responses(self._server.error_format)

    async def _token(
        self, connection: HTTPConnection, needed: SecurityScopes, access: AccessLevel
    ) -> AccessToken | None:
        app = connection.scope.get("app")
        if app is not None and id(app) not in self._checked:
            check_routes(app)
            self._checked[id(app)] = app
        try:
            token = await self._verified(connection, access)
            if token is not None:
                self._server.enforce(token, self._requirement(tuple(needed.scopes)))
        except AuthError as error:
            refuse(connection, self._server, error)
        return token

    async def _verified(self, connection: HTTPConnection, access: AccessLevel) -> AccessToken | None:
        found = identity_of(connection.scope)
        if found is None:  # without the middleware, which would respond to what the application raises
            answer_refusals_of(connection)
        is_own = found is None or found.server is self._server
        if is_own and found is not None and found.token is not None:
            return found.token
        token = await admit(self._server, access, connection.scope)
        if is_own:
            identify(connection.scope, Identity(self._server, token))
            forget_state(connection)  # it may have been read before the token was stored
        return token

    def _requirement(self, scopes: tuple[str, ...]) -> Requirement:
        found = self._requirements.get(scopes)
        if found is None:
            if len(scopes) > 1 and all(len(scope) == 1 for scope in scopes):
                raise ConfigurationError(
                    'Security takes a list, as in scopes=["orders:read"]: FastAPI splits a string into one scope per '
                    "letter. If your scopes really have one letter, give scopes= to the bearer, after the server"
                )
            rules: Rules = {**self._rules, "scopes": (*self._own_scopes, *scopes)}
            found = self._requirements[scopes] = Requirement(**rules)
        return found


class AccessTokenBearer(_Bearer):
    """A dependency: `Security(bearer, scopes=[...])` provides the request's `AccessToken`, or refuses the request.

    *rules* are the keywords of `gatepass.Requirement`. *openapi*: a scheme of `fastapi.security` that OpenAPI shows
    instead of `http`/`bearer`, such as `OAuth2PasswordBearer(tokenUrl="token")` for the Authorize button.

    With cookies, `Vary` and `Cache-Control` are added to the response, but FastAPI drops headers of a dependency where
    a route returns its own `Response`. The middleware adds them there too.
    """

    async def __call__(self, connection: HTTPConnection, scopes: SecurityScopes, response: Response) -> AccessToken:
        token = await self._token(connection, scopes, "protected")
        add_cache_headers(response.headers, self._server.caching["protected"])
        return cast("AccessToken", token)


class OptionalAccessTokenBearer(_Bearer):
    """A dependency like `AccessTokenBearer`, but it provides None for a request without credentials.

    Invalid credentials are refused. `Vary: Authorization` is added to the response, but FastAPI drops it too where a
    route returns its own `Response`. `@optional_auth` behind the middleware adds it there too.
    """

    async def __call__(
        self, connection: HTTPConnection, scopes: SecurityScopes, response: Response
    ) -> AccessToken | None:
        token = await self._token(connection, scopes, "optional")
        add_cache_headers(response.headers, self._server.caching["optional"])
        return token


_TEXT: Final = {"type": "string"}
_OAUTH: Final = {"error": _TEXT, "error_description": _TEXT}
_PROBLEM: Final = {"type": {"type": "string", "format": "uri"}, "title": _TEXT, "status": {"type": "integer"}, **_OAUTH}
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "problem": {
        "application/problem+json": {
            "schema": {"type": "object", "required": ["title", "status"], "properties": _PROBLEM}
        }
    },
    "oauth": {"application/json": {"schema": {"type": "object", "properties": _OAUTH}}},
    "empty": {},
}
_CHALLENGE: Final = {"WWW-Authenticate": {"schema": _TEXT}}
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}}}
_SITUATIONS: Final = (
    (400, "The credentials are malformed", _CHALLENGE),
    (401, "No access token, or one that is not accepted", _CHALLENGE),
    (403, "The access token does not allow this", _CHALLENGE),
    (503, "The access token cannot be verified now", _RETRY_AFTER),
)


def openapi_responses(error_format: Literal["problem", "oauth", "empty"]) -> dict[int | str, dict[str, Any]]:
    """Return the refusals of a server with this *error_format* for FastAPI's `responses=`; a new dict at each call."""
    return {
        status: {
            "description": text,
            "headers": headers,
            **({"content": dict(_BODIES[error_format])} if _BODIES[error_format] else {}),
        }
        for status, text, headers in _SITUATIONS
    }
