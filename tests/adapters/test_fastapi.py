"""FastAPI: the contract with dependencies and with the middleware, rules, and marks in routers and mounts."""

import functools
import threading
import time
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Security
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.requests import Request as HTTPRequest
from starlette.routing import Match
from tests.adapters.contract import (
    NO_CREDENTIALS,
    PREFLIGHT,
    ROLE_IS_MISSING,
    ROWS,
    SCOPE_IS_MISSING,
    AdapterContract,
    MiddlewareContract,
)
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import ASGIClient
from tests.support.fastapi_project import app_with, every_handler, plain, same
from tests.support.refusals import refuse
from tests.support.request_barrier import wait_for_all_requests_async
from tests.support.starlette_project import CORS, HANDLERS, others_are_served_while_a_hook_blocks

from gatepass import AccessToken, ConfigurationError, ResourceServer
from gatepass_fastapi import (
    AccessTokenBearer,
    AccessTokenMiddleware,
    OptionalAccessTokenBearer,
    current_access_token,
    optional_auth,
    public,
    require_auth,
)


def handlers() -> dict[Any, Any]:
    async def replaced(request: Any, error: Any) -> PlainTextResponse:
        return PlainTextResponse("replaced by the application", getattr(error, "status_code", 500))

    return {**HANDLERS, HTTPException: replaced, Exception: replaced}


def by_dependency(server: ResourceServer) -> FastAPI:  # noqa: C901 - one application, view by view
    app = FastAPI(exception_handlers=handlers(), default_response_class=PlainTextResponse)
    token = AccessTokenBearer(server)
    get = functools.partial(app.api_route, methods=["GET", "HEAD"])
    AnyToken = Annotated[AccessToken, Depends(token)]  # noqa: N806 - types

    @get("/open")
    @get("/healthz")
    async def open_to_all() -> str:
        return "anonymous"

    @get("/protected")
    async def protected(token: AnyToken) -> str:
        return token.subject

    @get("/orders")
    async def orders(token: Annotated[AccessToken, Security(token, scopes=["orders:read"])]) -> str:
        return token.subject

    @get("/admin")
    async def admin(token: Annotated[AccessToken, Depends(AccessTokenBearer(server, any_roles=["admin"]))]) -> str:
        return token.subject

    hidden_bearer = AccessTokenBearer(server, scopes=["hidden:read"], denial="not_found")

    @get("/hidden")
    async def hidden(token: Annotated[AccessToken, Depends(hidden_bearer)]) -> str:
        return token.subject

    @get("/maybe")
    async def maybe(token: Annotated[AccessToken | None, Depends(OptionalAccessTokenBearer(server))]) -> str:
        return "anonymous" if token is None else token.subject

    @get("/slow")
    async def slow(token: AnyToken) -> str:
        before = token.subject
        await wait_for_all_requests_async()
        return f"{before} {token.subject}"

    @app.post("/echo")
    async def echo(request: HTTPRequest, token: AnyToken) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    @get("/boom")
    async def boom(token: AnyToken) -> None:
        raise RuntimeError("boom")

    @get("/boom/{kind}")
    async def boom_by(kind: str, token: AnyToken) -> None:
        refuse(kind)

    @get("/gone")
    async def gone(token: AnyToken) -> None:
        raise HTTPException(404)

    return app


class TestFastAPIByDependency(CookieContract, AdapterContract):
    awaits_hooks = True
    asked_last = True

    def build(self, server, *, cors=False):
        return ASGIClient(by_dependency(server))


def subject(request: HTTPRequest) -> str:
    found = current_access_token(request)
    return "anonymous" if found is None else found.subject


def router() -> APIRouter:  # noqa: C901 - the same views
    routes = APIRouter(default_response_class=PlainTextResponse)
    get = functools.partial(routes.api_route, methods=["GET", "HEAD"])

    @get("/open")
    @public
    async def open_to_all(request: HTTPRequest) -> str:
        return subject(request)

    @get("/healthz")
    @get("/protected")
    @routes.api_route("/any", methods=["GET", "OPTIONS"])
    async def whoami(request: HTTPRequest) -> str:
        return subject(request)

    @get("/orders")
    @require_auth(scopes=["orders:read"])
    async def orders(request: HTTPRequest) -> str:
        return subject(request)

    @get("/admin")
    @require_auth(any_roles=["admin"])
    def admin(request: HTTPRequest) -> str:
        return subject(request)

    @get("/hidden")
    @require_auth(scopes=["hidden:read"], denial="not_found")
    async def hidden(request: HTTPRequest) -> str:
        return subject(request)

    @get("/maybe")
    @optional_auth
    def maybe(request: HTTPRequest) -> str:
        return subject(request)

    @get("/slow")
    async def slow(request: HTTPRequest) -> str:
        before = subject(request)
        await wait_for_all_requests_async()
        return f"{before} {subject(request)}"

    @routes.post("/echo")
    async def echo(request: HTTPRequest) -> PlainTextResponse:
        return PlainTextResponse(await request.body())

    @get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    @get("/boom/{kind}")
    async def boom_by(kind: str) -> None:
        refuse(kind)

    @get("/gone")
    async def gone() -> None:
        raise HTTPException(404)

    return routes


def by_middleware(server: ResourceServer, *inner: Middleware, paths: Any = ("/healthz",)) -> FastAPI:
    app = FastAPI(
        middleware=[Middleware(AccessTokenMiddleware, server=server, public=paths), *inner],
        exception_handlers=HANDLERS,
    )
    outer = APIRouter()
    outer.include_router(router())  # nested, as in large applications
    app.include_router(outer)
    return app


class TestFastAPIByMiddleware(CookieContract, MiddlewareContract):
    awaits_hooks = True

    def build(self, server, *, cors=False):
        return ASGIClient(by_middleware(server, *([CORS] if cors else [])))

    def build_without_middleware(self):
        app = FastAPI()
        app.include_router(router())
        return ASGIClient(app)

    def build_public(self, server, paths):
        return AccessTokenMiddleware(FastAPI(), server=server, public=paths)


@pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
@pytest.mark.parametrize("target", ["/api/thing", "/api/sub/thing", "/api/raw/thing"])
def test_a_preflight_reaches_no_endpoint_below_the_root_path_of_the_application(target: str) -> None:
    ran: list[str] = []

    async def thing(request: HTTPRequest) -> PlainTextResponse:
        ran.append(request.url.path)
        return PlainTextResponse("it ran")

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        ran.append("raw")
        await PlainTextResponse("it ran")(scope, receive, send)

    sub = FastAPI()
    sub.add_api_route("/thing", thing, methods=["OPTIONS"])
    app = FastAPI(root_path="/api")
    app.add_api_route("/thing", thing, methods=["OPTIONS", "GET"])
    app.mount("/sub", sub)
    app.mount("/raw", raw)
    answer = ASGIClient(AccessTokenMiddleware(app, server=resource_server())).send("OPTIONS", target, PREFLIGHT)

    assert (answer.status, ran) == (401, [])


# --- the form of refusals


@pytest.mark.parametrize("path", ["/", "/sub/", "/included"])
@pytest.mark.parametrize("row", ["1 no credentials", "4b two lines", "8 expired"])
def test_exception_handlers_of_the_application_do_not_change_a_refusal(path, row):
    headers, golden = ROWS[row]
    bearer_token = AccessTokenBearer(resource_server())
    app, sub, routes = FastAPI(exception_handlers=every_handler()), FastAPI(), APIRouter()
    for place, at in ((app, "/"), (sub, "/"), (routes, "/included")):
        place.get(at, dependencies=[Depends(bearer_token)])(lambda: "in")
    app.include_router(routes)
    app.mount("/sub", sub)

    same(ASGIClient(app).send("GET", path, headers()), golden)


def test_dependencies_clean_up_after_a_refusal():
    cleaned = []

    async def session() -> Any:
        try:
            yield "session"
        finally:
            cleaned.append("session")

    app = FastAPI()

    @app.get("/")
    async def view(
        session: Annotated[str, Depends(session)],
        token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))],
    ) -> None: ...

    same(ASGIClient(app).send("GET", "/"), NO_CREDENTIALS)
    assert cleaned == ["session"]


def test_parameters_are_validated_after_the_token():
    app = FastAPI()

    @app.get("/{number}", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    async def view(number: int, needed: str) -> None: ...

    same(ASGIClient(app).send("GET", "/x"), NO_CREDENTIALS)
    assert ASGIClient(app).send("GET", "/x", bearer()).status == 422


# --- rules


def test_the_scopes_of_nested_dependencies_are_combined():
    bearer_token = AccessTokenBearer(resource_server(), scopes="base")
    app = plain()

    def customer(token: Annotated[AccessToken, Security(bearer_token, scopes=["inner"])]) -> str:
        return token.subject

    @app.get("/")
    async def view(customer: Annotated[str, Security(customer, scopes=["outer"])]) -> str:
        return customer

    made = ASGIClient(app)
    answer = made.send("GET", "/", bearer(token(scope="base outer")))

    assert answer.status == 403
    assert answer.all("www-authenticate")[0].endswith('scope="base outer inner"')
    assert made.send("GET", "/", bearer(token(scope="base inner outer"))).body == b"anna"


def test_an_iterator_of_roles_applies_to_every_request():
    app = plain()
    bearer_token = AccessTokenBearer(resource_server(), any_roles=(role for role in ["admin"]))

    @app.get("/a", dependencies=[Security(bearer_token, scopes=["a"])])
    @app.get("/b", dependencies=[Security(bearer_token, scopes=["b"])])
    async def view() -> str:
        return "in"

    made = ASGIClient(app)
    for path in ("/a", "/b", "/a", "/b"):
        same(made.send("GET", path, bearer(token(scope="a b"))), ROLE_IS_MISSING)
        assert made.send("GET", path, bearer(token(scope="a b", roles=["admin"]))).body == b"in"


def test_an_invalid_rule_is_refused_at_definition():
    with pytest.raises(ConfigurationError):
        AccessTokenBearer(resource_server(), any_scopes=['a"b'])
    with pytest.raises(ConfigurationError):
        AccessTokenBearer(resource_server(), denial="hide")  # type: ignore[arg-type]


def test_an_optional_route_may_require_a_scope_of_a_token():
    app = plain()
    optional = OptionalAccessTokenBearer(resource_server())

    @app.get("/")
    async def view(token: Annotated[AccessToken | None, Security(optional, scopes=["orders:read"])]) -> str:
        return "anonymous" if token is None else token.subject

    made = ASGIClient(app)
    assert made.send("GET", "/").body == b"anonymous"
    same(made.send("GET", "/", bearer()), SCOPE_IS_MISSING)


def test_a_test_may_override_the_dependency():
    server = resource_server()
    bearer_token = AccessTokenBearer(server)
    app = plain()

    @app.get("/")
    async def view(found: Annotated[AccessToken, Security(bearer_token, scopes=["orders:read"])]) -> str:
        return found.subject

    app.dependency_overrides[bearer_token] = lambda: server.authenticate([f"Bearer {token('berta')}"])

    assert ASGIClient(app).send("GET", "/").body == b"berta"


# --- with the middleware


def counted(server_settings: dict[str, Any] | None = None) -> tuple[ResourceServer, list[str]]:
    calls: list[str] = []

    def is_revoked(token: AccessToken) -> bool:
        calls.append(token.subject)
        return False

    return resource_server({"is_revoked": is_revoked}, **(server_settings or {})), calls


def test_a_token_is_verified_once_for_a_request():
    server, calls = counted()
    made = ASGIClient(app_with(server))

    assert made.send("GET", "/", bearer(token(scope="a b"))).body == b"anna"
    assert made.send("GET", "/", bearer(token("berta", scope="a b"))).body == b"berta"
    assert calls == ["anna", "berta"]


def test_a_token_that_the_middleware_verified_is_not_verified_again():
    server, calls = counted()

    assert ASGIClient(app_with(server, of_middleware=server)).send("GET", "/", bearer(token(scope="a b"))).status == 200
    assert calls == ["anna"]


def test_a_token_that_another_resource_server_verified_is_verified_again():
    lenient, strict = resource_server(), resource_server({"is_revoked": lambda _: True}, realm="strict")
    made = ASGIClient(app_with(strict, of_middleware=lenient))

    answer = made.send("GET", "/", bearer(token(scope="a b")))

    assert answer.status == 401
    assert answer.all("www-authenticate")[0].startswith('Bearer realm="strict", error="invalid_token"')


def test_a_guard_uses_the_resource_server_of_the_middleware_not_of_a_dependency():
    strict, lenient = resource_server(), resource_server(implies={"a": ["b"]})
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=strict)])

    @app.get("/", dependencies=[Security(AccessTokenBearer(lenient), scopes=["b"])])
    @require_auth(scopes=["b"])
    async def view(request: HTTPRequest) -> str:
        return "in"

    assert ASGIClient(app).send("GET", "/", bearer(token(scope="a"))).status == 403


# --- marks and guards on FastAPI's endpoints


def marked_router() -> APIRouter:
    routes = APIRouter(prefix="/p", default_response_class=PlainTextResponse)

    @routes.get("/open/{number:int}")
    @public
    def open_to_all(number: int) -> str:
        return "open"

    @routes.get("/shut")
    async def shut() -> str:
        return "shut"

    return routes


def test_marks_work_in_included_routers_and_mounted_applications():
    deep, sub = APIRouter(), FastAPI()
    deep.include_router(marked_router(), prefix="/deep")
    sub.include_router(marked_router())
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.include_router(marked_router())
    app.include_router(deep, prefix="/v1")
    app.include_router(deep, prefix="/v2")
    app.mount("/sub", sub)
    made = ASGIClient(app)

    for place in ("", "/v1/deep", "/v2/deep", "/sub"):
        assert made.send("GET", f"{place}/p/open/1").body == b"open", place
        same(made.send("GET", f"{place}/p/open/x"), NO_CREDENTIALS)
        same(made.send("GET", f"{place}/p/shut"), NO_CREDENTIALS)
        assert made.send("GET", f"{place}/p/shut", bearer()).body == b"shut"


class ForBeta(APIRoute):
    """A route that matches only requests with a certain header."""

    def matches(self, scope: Any) -> Any:
        found, child = super().matches(scope)
        return (found, child) if (b"x-beta", b"1") in scope["headers"] else (Match.NONE, {})


def test_a_public_route_of_a_custom_route_class_makes_no_other_route_public():
    beta, stable = APIRouter(route_class=ForBeta), APIRouter()
    beta.get("/report")(public(lambda: "beta"))
    stable.get("/report")(lambda: "stable")
    stable.get("/open")(public(lambda: "open"))
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.include_router(stable, prefix="/first")
    app.include_router(beta, prefix="/v")
    app.include_router(stable, prefix="/v")
    made = ASGIClient(app)

    assert made.send("GET", "/v/report", bearer()).body == b'"stable"'
    same(made.send("GET", "/v/report"), NO_CREDENTIALS)
    assert made.send("GET", "/first/open").body == b'"open"'


def rooted(root_path: str) -> FastAPI:
    app = FastAPI()
    app.root_path = root_path  # newer versions deprecate the parameter, and still use the attribute
    return app


@pytest.mark.parametrize("around", [True, False])
def test_an_application_that_sets_its_own_root_path_keeps_its_marks(around):
    app = rooted("/api")
    app.include_router(marked_router())
    if around:
        made = ASGIClient(AccessTokenMiddleware(app, server=resource_server()))
    else:
        app.add_middleware(AccessTokenMiddleware, server=resource_server())
        made = ASGIClient(app)

    for target in ("/p/open/1", "/api/p/open/1"):
        assert made.send("GET", target).body == b"open"
    for target in ("/p/shut", "/api/p/shut", "/apip/open/1", "/api/api/p/open/1"):
        same(made.send("GET", target), NO_CREDENTIALS)


def test_a_mark_matches_in_a_mounted_application_with_its_own_root_path():
    sub = rooted("/elsewhere")

    @sub.get("/secret")
    async def first() -> str:
        return "the one that / would be"

    @sub.get("/sub/secret")
    @public
    async def second() -> str:
        return "open"

    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server())])
    app.mount("/sub", sub)
    anonymous, authenticated = (ASGIClient(app).send("GET", "/sub/secret", headers) for headers in ([], bearer()))

    # Versions of the framework select different routes here; the mark must follow that choice.
    if authenticated.body == b'"open"':
        assert anonymous.body == b'"open"'
    else:
        same(anonymous, NO_CREDENTIALS)


def test_the_middleware_protects_the_documentation_pages():
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, server=resource_server(), public=["/docs"])])

    assert ASGIClient(app).send("GET", "/docs").status == 200
    same(ASGIClient(app).send("GET", "/openapi.json"), NO_CREDENTIALS)


# --- the event loop


def test_the_dependency_uses_no_thread_if_no_call_blocks():
    app = plain()

    verified_on = []

    def clock() -> float:
        verified_on.append(threading.current_thread())
        return time.time()

    app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server({"clock": clock})))])(lambda: "in")

    assert ASGIClient(app).send("GET", "/", bearer()).status == 200
    assert set(verified_on) == {threading.current_thread()}


def test_a_slow_hook_does_not_block_other_requests():
    others_are_served_while_a_hook_blocks(by_dependency)


@pytest.mark.parametrize("included", [False, True], ids=["the application", "a router"])
def test_without_the_middleware_a_dependency_detects_a_guard_above_the_route(included):
    app, router = FastAPI(), APIRouter()

    @require_auth(scopes=["orders:read"])
    @(router if included else app).get("/orders")
    async def orders(request: HTTPRequest):
        return "secret"

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))]):
        return token.subject

    app.include_router(router)

    for _ in range(2):
        crash = ASGIClient(app).send("GET", "/me", bearer()).crash
        assert isinstance(crash, ConfigurationError)
        assert "orders was registered without it" in str(crash)


def test_a_flask_application_with_marks_may_be_mounted_without_the_middleware():
    flask = pytest.importorskip("flask")
    inner = flask.Flask("inner")
    inner.add_url_rule("/", "open", public(lambda: "open"))
    app = FastAPI()
    app.mount("/flask", functools.partial(inner))

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(AccessTokenBearer(resource_server()))]):
        return token.subject

    assert ASGIClient(app).send("GET", "/me", bearer()).body == b'"anna"'


@pytest.mark.parametrize("depend", [Depends, functools.partial(Security, scopes=["a"])])
@pytest.mark.parametrize("kind", [AccessTokenBearer, OptionalAccessTokenBearer])
def test_the_error_for_a_class_in_place_of_an_instance_shows_the_syntax(depend, kind):
    app = FastAPI()

    with pytest.raises(ConfigurationError, match=r"bearer = AccessTokenBearer\(server\)"):

        @app.get("/")
        async def view(token: Annotated[AccessToken, depend(kind)]): ...


@pytest.mark.parametrize("scopes", ["orders", "ab"])
def test_scopes_as_one_string_are_refused_with_a_message(scopes):
    app = FastAPI()

    @app.get("/")
    async def view(token: Annotated[AccessToken, Security(AccessTokenBearer(resource_server()), scopes=scopes)]): ...

    crash = ASGIClient(app).send("GET", "/", bearer(token(scope=scopes))).crash
    assert isinstance(crash, ConfigurationError)
    assert 'scopes=["orders:read"]' in str(crash)


def test_a_state_that_was_read_before_the_dependency_has_the_token_afterwards():
    shared: dict[str, Any] = {"pool": 5}
    app = plain()

    def early(request: HTTPRequest) -> int:
        return request.state.pool

    @app.get("/", dependencies=[Depends(early), Depends(AccessTokenBearer(resource_server()))])
    async def view(request: HTTPRequest) -> str:
        return f"{request.state.access_token.subject} {request.state.pool}"

    async def with_shared_state(scope, receive, send):
        await app({**scope, "state": shared}, receive, send)

    for name in ("anna", "bob"):
        assert ASGIClient(with_shared_state).send("GET", "/", bearer(token(name))).body == f"{name} 5".encode()
    assert shared == {"pool": 5}


def test_outer_middleware_that_used_the_state_sees_what_a_view_with_a_dependency_writes():
    app = plain()

    @app.middleware("http")
    async def outside(request, call_next):
        request.state.started = 1
        response = await call_next(request)
        response.headers["X-Seen"] = f"{request.state.written} {hasattr(request.state, 'access_token')}"
        return response

    @app.get("/", dependencies=[Depends(AccessTokenBearer(resource_server()))])
    async def view(request: HTTPRequest) -> str:
        request.state.written = request.state.started + 1
        return request.state.access_token.subject

    answer = ASGIClient(app).send("GET", "/", bearer())
    assert (answer.body, answer.all("x-seen")) == (b"anna", ["2 False"])


@pytest.mark.parametrize("included", [False, True], ids=["the application", "a router"])
def test_a_guard_above_the_decorator_of_the_route_is_detected_before_it_serves_a_request(included):
    app, router = FastAPI(), APIRouter()

    @require_auth(scopes=["orders:read"])
    @(router if included else app).get("/orders")
    async def orders(request: HTTPRequest):
        return "secret"

    app.include_router(router)
    app.add_middleware(AccessTokenMiddleware, server=resource_server())

    assert isinstance(ASGIClient(app).send("GET", "/orders", bearer()).crash, ConfigurationError)
