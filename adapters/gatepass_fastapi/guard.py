"""`require_auth` for path functions, and the exception by which it and the bearer refuse a connection.

The exception carries the response and registers its own handler. It is not an `HTTPException`, so no handler for that
class, for a status or for `Exception` takes it. Raising also stops a dependency, which returning a response would not.
The server also responds to an `AuthError` of the application, unless the application has a handler for its class.
"""

# No postponed annotations here: FastAPI reads the one that the guard adds.
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Never, NoReturn, TypeVar, Unpack, cast, get_args, get_origin

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from gatepass import AuthError, ConfigurationError, Requirement, ResourceServer
from gatepass.adapter import Response as Answer
from gatepass.adapter import Rules, mark_guard
from gatepass.errors import refusal_in
from gatepass_fastapi.internals import handle, push_exit
from gatepass_starlette.guard import guarded_class, refuse_generators, require_identity
from gatepass_starlette.identity import identity_of
from gatepass_starlette.responses import refuse_websocket, to_response

__all__ = ["AccessRefused", "answer_refusals_of", "refuse", "require_auth"]

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_OWN: Final = "gatepass_connection"


def require_auth(*misplaced: Never, **rules: Unpack[Rules]) -> Callable[[_Endpoint], _Endpoint]:
    """Return a decorator that runs a path function only for a token that meets *rules*, the keywords of `Requirement`.

    Put it below the route's decorator. The function needs no parameter for the request, and may be `async` or not.
    `AccessTokenMiddleware` must provide the token. OpenAPI shows only the rules of `AccessTokenBearer`.
    """
    requirement = Requirement(*misplaced, **rules)

    def guard(endpoint: _Endpoint) -> _Endpoint:
        if inspect.isclass(endpoint):
            return cast("_Endpoint", guarded_class(endpoint, requirement))
        refuse_generators(endpoint)
        return cast("_Endpoint", mark_guard(endpoint, _guarded(endpoint, requirement)))

    return guard


class AccessRefused(Exception):
    """The connection was refused; `answer` is the response."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("access refused")
        self.answer = answer


def refuse(connection: HTTPConnection, server: ResourceServer, error: AuthError) -> NoReturn:
    """Raise the exception that sends *server*'s response to *error* on *connection*."""
    if not handle(connection, AccessRefused, _respond):
        raise error
    raise AccessRefused(server.respond(error, method=connection.scope.get("method", "GET"))) from error


def answer_refusals_of(connection: HTTPConnection) -> None:
    """Let the server that authenticated *connection* respond to each `AuthError` of its application."""
    handle(connection, AuthError, _respond_to_error)
    push_exit(connection, _unwrap)


def _guarded(endpoint: Callable[..., Any], requirement: Requirement) -> Callable[..., Any]:
    shown = _signature(endpoint)
    own = next((name for name, one in shown.parameters.items() if _is_connection(one, endpoint)), None)
    if own is None and _OWN in shown.parameters:
        raise ConfigurationError(f"rename the parameter {_OWN}: require_auth adds a parameter of that name")

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = kwargs.pop(_OWN, None) if own is None else kwargs.get(own)
        connection = _first_connection((given, *args, *kwargs.values()))
        if connection is None:
            raise ConfigurationError(
                "require_auth of gatepass_fastapi was called without a request: in a view of another framework, import "
                "require_auth from the adapter of that framework"
            )
        server, token = require_identity(connection.scope)
        try:
            server.enforce(token, requirement)
        except AuthError as error:
            refuse(connection, server, error)

    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def guarded_async(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await endpoint(*args, **kwargs)

        guarded: Any = guarded_async
    else:

        @functools.wraps(endpoint)
        def guarded_sync(*args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return endpoint(*args, **kwargs)

        guarded = guarded_sync
    guarded.__signature__ = shown if own is not None else _with_connection(shown)
    return cast("Callable[..., Any]", guarded)


def _first_connection(arguments: Iterable[object]) -> HTTPConnection | None:
    for one in arguments:
        if isinstance(one, HTTPConnection):
            return cast("HTTPConnection", one)
    return None


def _signature(endpoint: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(endpoint, eval_str=True)
    except NameError:  # an annotation for type checkers only, which FastAPI handles itself
        return inspect.signature(endpoint)


def _is_connection(parameter: inspect.Parameter, endpoint: Callable[..., Any]) -> bool:
    """Return whether FastAPI passes *parameter* the connection as an `HTTPConnection`."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = getattr(inspect.unwrap(endpoint), "__globals__", {}).get(annotation)
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return inspect.isclass(kind) and issubclass(kind, HTTPConnection) and not issubclass(kind, (Request, WebSocket))


def _with_connection(shown: inspect.Signature) -> inspect.Signature:
    """Return *shown* with a parameter for the connection; FastAPI supports only one `HTTPConnection` parameter."""
    parameters = list(shown.parameters.values())
    at = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
    parameters.insert(at, inspect.Parameter(_OWN, inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection))
    return shown.replace(parameters=parameters)


def _unwrap(_kind: object, error: BaseException | None, _trace: object) -> None:
    """Raise the refusal in an exception group by itself: handlers are found by class, and a group hides it."""
    refusal = refusal_in(error)
    if refusal is not None and refusal is not error:
        raise refusal from error


async def _respond(connection: HTTPConnection, refusal: AccessRefused) -> Response | None:
    return await _answered(connection, refusal.answer)


async def _respond_to_error(connection: HTTPConnection, error: AuthError) -> Response | None:
    identity = identity_of(connection.scope)
    if identity is None:  # no bearer has authenticated the connection
        raise error
    return await _answered(connection, identity.server.respond(error, method=connection.scope.get("method", "GET")))


async def _answered(connection: HTTPConnection, answer: Answer) -> Response | None:
    if isinstance(connection, WebSocket):
        await refuse_websocket(answer, connection)
        return None
    return to_response(answer)
