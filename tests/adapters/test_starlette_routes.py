"""Marks in Starlette: found at any depth of routes and mounts; each makes only its own route public."""

import functools
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from tests.adapters.contract import NO_CREDENTIALS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.asgi import websocket, websocket_scope
from tests.support.clients import ASGIClient, Request, asgi_scope
from tests.support.starlette_project import (
    ROUTES,
    Echo,
    PassesOn,
    application,
    call,
    client,
    guarded,
    maybe,
    open_to_all,
    same,
    subject,
    whoami,
)

from gatepass_starlette import AccessTokenMiddleware, public


def test_marks_work_at_any_depth():
    leaf = [Route("/open", open_to_all), Route("/shut", whoami), Route("/maybe/{who:int}", maybe)]
    sub = Starlette(routes=leaf, middleware=[Middleware(PassesOn)])
    apps = client(
        [
            Mount("/a", routes=[Mount("/b", routes=leaf)]),
            Mount("/sub", app=sub),
            Mount("/wrapped", app=PassesOn(Router(leaf))),
            Mount("/own", routes=leaf, middleware=[Middleware(PassesOn)]),
            Host("api.example", Router([Mount("/host", routes=leaf)])),
        ]
    )

    for place in ("/a/b", "/sub", "/wrapped", "/own", "/host"):
        assert apps.send("GET", f"{place}/open").body == b"anonymous", place
        assert apps.send("GET", f"{place}/maybe/1").body == b"anonymous", place
        assert apps.send("GET", f"{place}/maybe/1", bearer()).body == b"anna", place
        same(apps.send("GET", f"{place}/shut"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}/maybe/x"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}/nowhere"), NO_CREDENTIALS)
        same(apps.send("GET", f"{place}open"), NO_CREDENTIALS)


def test_the_mark_of_the_first_matching_route_applies():
    routes = [
        Route("/x/{any}", whoami, methods=["POST"]),
        Route("/x/shut", whoami),
        Route("/x/{any}", open_to_all),
        Mount("/m", routes=[Route("/shut", whoami)]),
        Route("/m/open", open_to_all),
    ]
    ordered = client(routes)

    same(ordered.send("GET", "/x/shut"), NO_CREDENTIALS)
    same(ordered.send("POST", "/x/open"), NO_CREDENTIALS)
    assert ordered.send("GET", "/x/open").body == b"anonymous"
    same(ordered.send("GET", "/m/open"), NO_CREDENTIALS)


def test_a_method_that_a_public_route_does_not_allow_is_left_to_the_router():
    assert client([Route("/", open_to_all)]).send("POST", "/").status == 405


def test_the_first_of_several_routes_that_do_not_allow_the_method_applies():
    routes = [Route("/", whoami, methods=["POST"]), Route("/", open_to_all, methods=["PUT"])]

    same(client(routes).send("GET", "/"), NO_CREDENTIALS)
    assert client(routes[::-1]).send("GET", "/").status == 405


def files_of() -> Any:
    async def files(scope, receive, send):
        await PlainTextResponse("a file")(scope, receive, send)

    return files


def test_a_mounted_application_can_be_marked():
    apps = client([Mount("/static", app=public(files_of())), Mount("/files", app=files_of())])

    assert apps.send("GET", "/static/a.css").body == b"a file"
    same(apps.send("GET", "/files/a.css"), NO_CREDENTIALS)


def test_a_mark_is_found_through_partials_and_wrappers():
    @functools.wraps(open_to_all)
    async def wrapped(request):
        return await open_to_all(request)

    routes = [Route("/partial", functools.partial(open_to_all)), Route("/wrapped", wrapped)]

    for route in routes:
        assert client([route]).send("GET", route.path).body == b"anonymous"


def test_a_marked_class_is_public_with_all_its_methods():
    @public
    class Status(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse(subject(request))

    status = client([Route("/", Status)])

    assert status.send("GET", "/").body == b"anonymous"
    assert status.send("HEAD", "/").status == 200


def test_a_marked_class_does_not_make_its_subclasses_public():
    @public
    class Status(HTTPEndpoint):
        async def get(self, request):
            return PlainTextResponse(subject(request))

    class Heir(Status): ...

    @public
    class Socket(Echo): ...

    class SocketHeir(Socket): ...

    app = application(
        resource_server(),
        [
            Route("/", Heir),
            Route("/partial", functools.partial(Heir)),
            Route("/open", Status),
            WebSocketRoute("/open/socket", Socket),
            WebSocketRoute("/socket", SocketHeir),
        ],
    )

    assert ASGIClient(app).send("GET", "/open").body == b"anonymous"
    same(ASGIClient(app).send("GET", "/"), NO_CREDENTIALS)
    same(ASGIClient(app).send("GET", "/partial"), NO_CREDENTIALS)
    assert websocket(app, websocket_scope("/open/socket")).texts == ["anonymous"]
    same(websocket(app, websocket_scope("/socket")).denial, NO_CREDENTIALS)


def test_routes_without_marks_are_not_searched_twice():
    calls = []

    class Counted(Route):
        def matches(self, scope):
            calls.append(scope["path"])
            return super().matches(scope)

    client([Counted("/protected", whoami)], paths=["/healthz"]).send("GET", "/protected", bearer())

    assert calls == ["/protected"]


def test_the_middleware_can_wrap_any_part_of_an_application():
    routes = [Route("/open", open_to_all), Route("/shut", whoami), Route("/orders", guarded(scopes=["orders:read"]))]
    server = resource_server()
    own = [Middleware(AccessTokenMiddleware, server=server)]
    apps = {
        "": AccessTokenMiddleware(Starlette(routes=routes), server=server),
        "/mount": Starlette(routes=[Mount("/mount", routes=routes, middleware=own)]),
        "/app": Starlette(routes=[Mount("/app", AccessTokenMiddleware(Router(routes), server=server))]),
        "/router": Starlette(routes=[Mount("/router", Router(routes, middleware=own))]),
    }

    for place, app in apps.items():
        guarded_app = ASGIClient(app)
        assert guarded_app.send("GET", f"{place}/open").body == b"anonymous", place
        same(guarded_app.send("GET", f"{place}/shut"), NO_CREDENTIALS)
        assert guarded_app.send("GET", f"{place}/shut", bearer()).body == b"anna", place
        same(guarded_app.send("GET", f"{place}/orders", bearer()), SCOPE_IS_MISSING)


def test_the_middleware_of_a_single_route_protects_it_with_any_mark():
    own = [Middleware(AccessTokenMiddleware, server=resource_server())]
    one = ASGIClient(Starlette(routes=[Route("/", open_to_all, middleware=own)]))

    same(one.send("GET", "/"), NO_CREDENTIALS)
    assert one.send("GET", "/", bearer()).body == b"anna"


@pytest.mark.parametrize(
    ("inner", "marks"), [(files_of, {"routes_of": None}), (lambda: Router([Route("/a", whoami)]), {})]
)
def test_a_public_mount_is_protected_by_its_own_middleware(inner, marks):
    own = AccessTokenMiddleware(inner(), server=resource_server(realm="own"), **marks)
    both = client([Mount("/own", app=public(own))])

    assert both.send("GET", "/own/a").all("www-authenticate") == ['Bearer realm="own"']
    assert both.send("GET", "/own/a", bearer()).status == 200


def test_a_public_route_makes_no_route_of_the_same_name_below_public():
    inner = AccessTokenMiddleware(Router([Route("/healthz", whoami)]), server=resource_server())
    apps = ASGIClient(Starlette(routes=[Route("/healthz", open_to_all_without_identity), Mount("/api", inner)]))

    assert apps.send("GET", "/healthz").body == b"open"
    same(apps.send("GET", "/api/healthz"), NO_CREDENTIALS)


@public
async def open_to_all_without_identity(request):
    return PlainTextResponse("open")


def test_public_paths_are_relative_to_the_mount_of_the_middleware():
    inner = AccessTokenMiddleware(Router(ROUTES), server=resource_server(), public=["/healthz"])
    apps = ASGIClient(Starlette(routes=[Mount("/api", inner)]))

    assert apps.send("GET", "/api/healthz").body == b"anonymous"
    assert apps.send("GET", "/api/healthz", mount="/behind/proxy").body == b"anonymous"
    same(apps.send("GET", "/api/api/healthz"), NO_CREDENTIALS)
    same(apps.send("GET", "/api/healthzz"), NO_CREDENTIALS)


def test_a_mount_ends_at_a_segment():
    answer = client(ROUTES, paths=["/healthz", "/i/healthz"])

    scope = asgi_scope(Request("GET", "/healthz", mount="/ap"))
    scope["path"] = "/api/healthz"  # starts with the root path, but is not below it
    assert call(answer.app, scope)[0]["status"] == 401


def test_each_middleware_uses_its_own_resource_server():
    tenant = resource_server(realm="tenant")
    inner = AccessTokenMiddleware(
        Router([Route("/open", open_to_all), Route("/orders", guarded(scopes=["orders:read"]))]),
        server=tenant,
    )
    apps = client([Mount("/tenant", inner)])

    answer = apps.send("GET", "/tenant/orders", bearer())
    assert answer.status == 403
    assert answer.all("www-authenticate")[0].startswith('Bearer realm="tenant", error="insufficient_scope"')
    assert apps.send("GET", "/tenant/open", bearer()).body == b"anonymous"


def test_an_application_without_routes_is_protected_completely():
    async def app(scope, receive, send):
        await PlainTextResponse("in")(scope, receive, send)

    wrapped = ASGIClient(AccessTokenMiddleware(app, server=resource_server(), public=["/healthz"], routes_of=None))

    same(wrapped.send("GET", "/"), NO_CREDENTIALS)
    assert wrapped.send("GET", "/", bearer()).body == b"in"
    assert wrapped.send("GET", "/healthz").body == b"in"
