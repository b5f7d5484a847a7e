"""A refusal raised in a view, dependency or WebSocket of FastAPI gets the response of the resource server."""

import asyncio
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Security, WebSocket
from starlette.responses import PlainTextResponse
from tests.adapters.contract import HIDDEN, NO_CREDENTIALS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient
from tests.support.raised_refusals import GENERAL, mixed, same, socket_closed, socket_in_a_task_after
from tests.support.refusals import refuse

from gatepass import AccessToken
from gatepass.errors import AuthError, InsufficientScope
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer
from gatepass_starlette import AccessTokenMiddleware as ASGIMiddleware

SERVER = resource_server()
Token = Annotated[AccessToken, Security(AccessTokenBearer(SERVER))]


def of_tenant(tenant: str, token: Token):
    SERVER.authorize(token, scopes=[f"orders:{tenant}"])
    return token


async def of_tenant_async(tenant: str, token: Token):
    return of_tenant(tenant, token)


def tenant_opened(tenant: str, token: Token):
    yield of_tenant(tenant, token)


async def tenant_opened_async(token: Token):
    try:
        yield token
    except AuthError:
        CLOSED.append(True)
        raise


CLOSED = []


def fastapi(*, middleware, mounted=False):  # noqa: C901 - one application, view by view
    app = FastAPI(exception_handlers=GENERAL)
    inner = FastAPI(exception_handlers=GENERAL) if mounted else app
    get = inner.get

    @get("/function/{tenant}")
    def by_function(tenant: str, token: Annotated[AccessToken, Depends(of_tenant)]):
        return tenant

    @get("/coroutine/{tenant}")
    async def by_coroutine(tenant: str, token: Annotated[AccessToken, Depends(of_tenant_async)]):
        return tenant

    @get("/generator/{tenant}")
    async def by_generator(tenant: str, token: Annotated[AccessToken, Depends(tenant_opened)]):
        return tenant

    @get("/view/{tenant}")
    def by_view(tenant: str, token: Annotated[AccessToken, Depends(tenant_opened_async)]):
        of_tenant(tenant, token)

    @get("/task/{tenant}")
    async def by_task(tenant: str, token: Token):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(of_tenant_async(tenant, token))

    @get("/mixed")
    async def by_mistake(token: Token):
        mixed()

    @inner.websocket("/task")
    async def socket_by_task(websocket: WebSocket, token: Token):
        await socket_in_a_task_after(websocket)

    @get("/maybe/{tenant}")
    def maybe(tenant: str, token: Annotated[AccessToken | None, Depends(OptionalAccessTokenBearer(SERVER))]):
        of_tenant(tenant, token)

    @inner.websocket("/before")
    async def before(websocket: WebSocket, token: Token):
        refuse("hidden")

    @inner.websocket("/after")
    async def after(websocket: WebSocket, token: Token):
        await websocket.accept()
        refuse("hidden")

    @inner.websocket("/closed")
    async def closed(websocket: WebSocket, token: Token):
        await socket_closed(websocket)

    if mounted:
        app.mount("/", inner)
    if middleware:
        app.add_middleware(ASGIMiddleware, server=SERVER)
    return app


@pytest.mark.parametrize("middleware", [False, True], ids=["alone", "behind the middleware"])
@pytest.mark.parametrize("mounted", [False, True], ids=["bare", "mounted"])
class TestFastAPI:
    @pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "view", "task"])
    def test_it_gets_its_response_before_any_general_handler(self, middleware, mounted, kind):
        app = fastapi(middleware=middleware, mounted=mounted)
        status, challenge, body = SCOPE_IS_MISSING

        answer = ASGIClient(app).send("GET", f"/{kind}/north", bearer())

        same(answer, (status, challenge.replace("orders:read", "orders:north"), body))

    def test_a_dependency_with_cleanup_receives_it(self, middleware, mounted):
        CLOSED.clear()

        ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/view/north", bearer())

        assert CLOSED == [True]

    def test_an_anonymous_request_on_an_optional_route_gets_a_challenge(self, middleware, mounted):
        answer = ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/maybe/north")

        same(answer, NO_CREDENTIALS)

    def test_sockets_are_refused_or_closed(self, middleware, mounted):
        app = fastapi(middleware=middleware, mounted=mounted)

        same(websocket(app, websocket_scope("/before", bearer())).denial, HIDDEN)
        for path in ("/after", "/task"):
            session = websocket(app, websocket_scope(path, bearer()))
            assert (session.kinds, session.sent[-1]["code"]) == (["websocket.accept", "websocket.close"], 1008)
        closed = websocket(app, websocket_scope("/closed", bearer()))
        assert (closed.kinds, closed.crash) == (["websocket.accept", "websocket.close"], None)

    @pytest.mark.parametrize("kind", [InsufficientScope, AuthError])
    def test_a_refusal_handler_of_the_application_takes_precedence(self, middleware, mounted, kind):
        async def theirs(request, error):
            return PlainTextResponse("theirs", error.status)

        app = fastapi(middleware=middleware, mounted=mounted)
        (app.routes[-1].app if mounted else app).add_exception_handler(kind, theirs)

        answer = ASGIClient(app).send("GET", "/view/north", bearer())

        assert (answer.status, answer.body) == (403, b"theirs")

    def test_a_group_with_other_exceptions_stays_an_exception(self, middleware, mounted):
        answer = ASGIClient(fastapi(middleware=middleware, mounted=mounted)).send("GET", "/mixed", bearer())

        assert isinstance(answer.crash, ExceptionGroup)


def test_in_fastapi_a_refusal_without_authentication_is_an_ordinary_exception():
    app = fastapi(middleware=False)
    app.get("/open")(lambda: refuse("scope"))
    client = ASGIClient(app)

    assert client.send("GET", "/view/north", bearer()).status == 403
    assert isinstance(client.send("GET", "/open", bearer()).crash, InsufficientScope)


def test_in_fastapi_authentication_works_without_the_private_handlers_of_starlette():
    app = fastapi(middleware=False)

    class Hides(dict):
        def __setitem__(self, name, value):
            if name != "starlette.exception_handlers":
                super().__setitem__(name, value)

    async def hiding(scope, receive, send):
        await app(Hides(scope), receive, send)

    client = ASGIClient(hiding)

    assert client.send("GET", "/function/north", bearer(token(scope="orders:north"))).body == b'"north"'
    for headers in ([], bearer()):
        answer = client.send("GET", "/function/north", headers)
        assert (answer.status, answer.body) == (500, b"")


def test_in_fastapi_the_resource_server_of_the_dependency_responds():
    app = FastAPI()
    for realm in ("one", "two"):
        dependency = Depends(AccessTokenBearer(resource_server(realm=realm)))
        app.get(f"/{realm}", dependencies=[dependency])(lambda: refuse("scope"))
    client = ASGIClient(app)

    for realm in ("one", "two", "one"):
        assert (
            client.send("GET", f"/{realm}", bearer()).all("www-authenticate")[0].startswith(f'Bearer realm="{realm}"')
        )
