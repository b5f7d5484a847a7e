"""Layers between the middleware and the application: each is searched, or refused when the middleware is created.

A layer that hid the application would silently leave marked views protected, and views with misplaced guards public.
"""

import functools
import warnings

import fastapi
import flask
import pytest
from flask.app import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router
from tests.adapters.contract import PREFLIGHT
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import ASGIClient, WSGIClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

import gatepass_flask
import gatepass_starlette
from gatepass import ConfigurationError, public
from gatepass_flask.routes import Routes

# --- WSGI


def shop(name="shop", *, misplaced=False):
    """Return a Flask application with a public view, a guarded view and a view without a mark."""
    app = Flask(name)
    guard = gatepass_flask.require_auth(scopes=["orders:read"])
    app.add_url_rule("/about", "about", public(lambda: f"about {name}"))
    app.add_url_rule("/all", "all", lambda: "all")
    if misplaced:
        guard(app.get("/orders")(lambda: "secret"))
    else:
        app.add_url_rule("/orders", "orders", guard(lambda: f"{gatepass_flask.access_token.subject} {name}"))
    return app


def is_guarded(client, mount="", name="shop"):
    assert client.send("GET", f"{mount}/about").body == f"about {name}".encode()
    assert client.send("GET", f"{mount}/all").status == 401
    assert client.send("GET", f"{mount}/all", bearer()).body == b"all"
    assert client.send("GET", f"{mount}/orders", bearer()).status == 403
    answer = client.send("GET", f"{mount}/orders", bearer(token(scope="orders:read")))
    assert answer.body == f"anna {name}".encode()


def wsgi_closure(app):
    def layer(environ, start_response):
        return app(environ, start_response)

    return layer


def wsgi_tracer(app):
    opentelemetry = pytest.importorskip("opentelemetry.instrumentation.wsgi")
    return opentelemetry.OpenTelemetryMiddleware(app)


class Hidden:
    """A layer that holds the inner application in an attribute of its own name."""

    __slots__ = ("_wrapped_by_me",)

    def __init__(self, app):
        self._wrapped_by_me = app

    def __call__(self, *call):
        return self._wrapped_by_me(*call)


WSGI_LAYERS = {
    "ProxyFix": ProxyFix,
    "a closure": wsgi_closure,
    "another name": Hidden,
    "a partial": lambda app: functools.partial(wsgi_closure(app)),
    "OpenTelemetry": wsgi_tracer,
    "an empty dispatcher": DispatcherMiddleware,
    "several": lambda app: ProxyFix(wsgi_closure(Hidden(ProxyFix(app)))),
    "our own, below": lambda app: gatepass_flask.AccessTokenMiddleware(
        app, resource_server(), public=["/about", "/all", "/orders"]
    ),
}


def put_on(app, **options):
    app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app.wsgi_app, resource_server(), **options)
    return WSGIClient(app)


class TestFlask:
    @pytest.mark.parametrize("name", [name for name in WSGI_LAYERS if name != "our own, below"])
    def test_marks_and_guards_work_through_a_layer(self, name):
        app = shop()
        app.wsgi_app = WSGI_LAYERS[name](app.wsgi_app)

        is_guarded(put_on(app))

    @pytest.mark.parametrize("name", WSGI_LAYERS)
    def test_a_misplaced_guard_is_detected_through_a_layer(self, name):
        app = shop(misplaced=True)
        app.wsgi_app = WSGI_LAYERS[name](app.wsgi_app)

        crash = put_on(app).send("GET", "/orders", bearer()).crash
        assert isinstance(crash, ConfigurationError)
        assert "was registered without it" in str(crash)

    @pytest.mark.parametrize("name", ["ProxyFix", "a closure", "OpenTelemetry"])
    def test_a_layer_may_wrap_the_middleware(self, name):
        app = shop()
        put_on(app)
        app.wsgi_app = WSGI_LAYERS[name](app.wsgi_app)

        is_guarded(WSGIClient(app))

    @pytest.mark.parametrize("is_before", [True, False])
    def test_opentelemetry_may_instrument_before_and_after_the_middleware(self, is_before):
        instrumentor = pytest.importorskip("opentelemetry.instrumentation.flask").FlaskInstrumentor()
        app = shop()
        if is_before:
            instrumentor.instrument_app(app)
        client = put_on(app)
        if not is_before:
            instrumentor.instrument_app(app)

        is_guarded(client)

    def test_all_applications_may_be_instrumented_at_once(self):
        instrumentor = pytest.importorskip("opentelemetry.instrumentation.flask").FlaskInstrumentor()
        instrumentor.instrument()
        try:
            app = flask.Flask("shop")
            assert type(app) is not Flask
        finally:
            instrumentor.uninstrument()
        app.add_url_rule("/about", "about", public(lambda: "about"))

        assert put_on(app).send("GET", "/about").body == b"about"

    @pytest.mark.parametrize("given", ["the application", "the application in a layer"])
    def test_the_middleware_may_wrap_the_application_object(self, given):
        app = shop()
        inner = app if given == "the application" else ProxyFix(app)

        is_guarded(WSGIClient(gatepass_flask.AccessTokenMiddleware(inner, resource_server())))

    def test_the_middleware_may_wrap_the_application_object_as_its_wsgi_app(self):
        app = shop()
        app.wsgi_app = ProxyFix(app.wsgi_app)
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(app, resource_server())

        is_guarded(WSGIClient(app))

    def test_a_layer_that_calls_the_application_from_its_own_wsgi_app_is_refused(self):
        app = shop()
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(ProxyFix(app), resource_server())

        crash = WSGIClient(app).send("GET", "/all", bearer()).crash
        assert isinstance(crash, ConfigurationError)
        assert "Layer(app.wsgi_app)" in str(crash)

    def test_a_layer_may_hold_the_application_and_its_wsgi_app(self):
        app = shop()
        app.wsgi_app = Hidden(app.wsgi_app)
        layer = ProxyFix(app.wsgi_app)
        layer.flask_app = app
        app.wsgi_app = gatepass_flask.AccessTokenMiddleware(layer, resource_server())

        is_guarded(WSGIClient(app))

    def test_the_application_object_runs_layers_added_later(self):
        app, seen = shop(), []
        client = WSGIClient(gatepass_flask.AccessTokenMiddleware(app, resource_server()))
        inner = app.wsgi_app
        app.wsgi_app = lambda *call: seen.append(call) or inner(*call)

        assert client.send("GET", "/all", bearer()).body == b"all"
        assert len(seen) == 1

    def test_routes_of_names_the_application_behind_an_opaque_layer(self):
        app = shop()
        names = {"inner": app.wsgi_app}
        exec("def layer(*call): return inner(*call)", names)  # noqa: S102 - a global name, which the search ignores
        app.wsgi_app = names["layer"]

        with pytest.raises(ConfigurationError, match=r"no Flask.*routes_of=app.*routes_of=None"):
            put_on(app)
        is_guarded(put_on(app, routes_of=app))

    def test_routes_of_none_protects_every_route(self):
        client = put_on(shop(), routes_of=None)

        assert client.send("GET", "/about").status == 401
        assert client.send("GET", "/about", bearer()).body == b"about shop"

    @pytest.mark.parametrize("routes_of", ["shop", 5, [], wsgi_closure(None), shop])
    def test_routes_of_refuses_an_object_without_routes(self, routes_of):
        with pytest.raises(ConfigurationError, match="routes_of= takes"):
            put_on(shop(), routes_of=routes_of)

    def test_a_preflight_does_not_pass_through_a_layer_that_may_change_its_method(self):
        app = shop()
        assert put_on(app).send("OPTIONS", "/all", PREFLIGHT).status == 200

        app = shop()
        app.wsgi_app = wsgi_closure(app.wsgi_app)
        assert put_on(app).send("OPTIONS", "/all", PREFLIGHT).status == 401

    def test_a_layer_that_holds_one_application_and_names_another_in_its_globals_is_refused(self):
        app, page = shop(), Flask("page")
        page.add_url_rule("/all", "all", public(lambda: "closed for today"))
        names = {"page": page, "inner": app.wsgi_app}
        exec("def layer(*call, page=page): return (page if 0 else inner)(*call)", names)  # noqa: S102 - as above
        app.wsgi_app = names["layer"]

        with pytest.raises(ConfigurationError, match="several applications"):
            put_on(app)

    def test_a_layer_may_name_the_application_that_it_holds_in_its_globals(self):
        app = shop()
        names = {"app": app, "inner": app.wsgi_app}
        exec("def layer(*call, inner=inner): return (app.name, inner(*call))[1]", names)  # noqa: S102 - as above
        app.wsgi_app = names["layer"]

        is_guarded(put_on(app))

    def test_plain_data_of_a_layer_does_not_hide_the_application(self):
        app = shop()
        layer = ProxyFix(app.wsgi_app)
        layer.specification = {str(number): {"get": {"responses": {"200": {}}}} for number in range(1_000)}
        app.wsgi_app = layer

        is_guarded(put_on(app))


class TestDispatcher:
    @staticmethod
    def mall(*, misplaced=False, **mounts):
        def plain(environ, start_response):
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode()]

        books = shop("books", misplaced=misplaced)
        books.wsgi_app = ProxyFix(books.wsgi_app)
        inner = DispatcherMiddleware(shop("deep").wsgi_app, {"/below": books})
        return DispatcherMiddleware(
            shop().wsgi_app, {"/books": wsgi_closure(books), "/files": plain, "/a/b": inner, **mounts}
        )

    def test_a_request_is_checked_against_the_views_of_the_application_that_receives_it(self):
        client = WSGIClient(gatepass_flask.AccessTokenMiddleware(self.mall(), resource_server()))

        is_guarded(client)
        is_guarded(client, "/books", "books")
        is_guarded(client, "/a/b", "deep")
        is_guarded(client, "/a/b/below", "books")

    def test_a_mounted_application_without_views_is_protected_on_every_path(self):
        open_to_all = Flask("open")
        open_to_all.add_url_rule("/<path:path>", "any", public(lambda path: path))
        app = self.mall()
        app.app = open_to_all
        client = WSGIClient(gatepass_flask.AccessTokenMiddleware(app, resource_server()))

        assert client.send("GET", "/anything").body == b"anything"
        for target in ("/files/anything", "/files/about", "/books/anything", "/a/b/anything", "/books"):
            assert client.send("GET", target).status == 401
        assert client.send("GET", "/files/anything", bearer()).body == b"/anything"

    def test_a_misplaced_guard_of_a_mounted_application_is_detected(self):
        client = WSGIClient(gatepass_flask.AccessTokenMiddleware(self.mall(misplaced=True), resource_server()))

        assert isinstance(client.send("GET", "/", bearer()).crash, ConfigurationError)

    @pytest.mark.parametrize(
        "path", ["", "/", "/a", "/a/", "/a/b", "/a/b/c", "//a", "/a//b", "/ab", "a", "a/b", "/x/a"]
    )
    def test_marks_are_read_from_the_application_that_the_dispatcher_runs(self, path):
        ran = []
        apps = [Flask(str(number)) for number in range(5)]
        for app in apps:
            app.wsgi_app = lambda environ, start, app=app: ran.append((app, environ)) or []
        mounts = {"/a": apps[1], "/a/b": apps[2], "": apps[3], "a": apps[4]}
        dispatcher = DispatcherMiddleware(DispatcherMiddleware(apps[0], {"/x": apps[1]}), mounts)
        environ = {"PATH_INFO": path, "SCRIPT_NAME": "/above"}
        chosen, seen = Routes(dispatcher, ...)._chosen(environ)

        list(dispatcher(environ, None))
        assert (chosen, seen) == ran[0]

    @pytest.mark.parametrize("kind", ["a cascade", "a dispatcher of ones own"])
    def test_other_dispatchers_of_several_applications_are_refused(self, kind):
        class Own(DispatcherMiddleware):
            def __call__(self, environ, start_response):
                return self.mounts["/x"](environ, start_response)

        apps = [shop("one").wsgi_app, shop("two").wsgi_app]
        layer = wsgi_closure(apps) if kind == "a cascade" else Own(apps[0], {"/x": apps[1]})

        with pytest.raises(ConfigurationError, match="several applications"):
            gatepass_flask.AccessTokenMiddleware(layer, resource_server())


# --- ASGI


@public
async def about(request):
    return PlainTextResponse("about shop")


async def everything(request):
    return PlainTextResponse("all")


async def bare(request):
    return PlainTextResponse("secret")


def asgi_routes(*, misplaced=False):
    guard = gatepass_starlette.require_auth(scopes=["orders:read"])

    async def orders(request):
        return PlainTextResponse(f"{request.state.access_token.subject} shop")

    guarded = guard(orders)
    return [Route("/about", about), Route("/all", everything), Route("/orders", orders if misplaced else guarded)]


def asgi_closure(app):
    async def layer(scope, receive, send):
        await app(scope, receive, send)

    return layer


def asgi_wrapper(app):
    return functools.wraps(app)(asgi_closure(app))


def asgi_tracer(app):
    return pytest.importorskip("opentelemetry.instrumentation.asgi").OpenTelemetryMiddleware(app)


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        return await call_next(request)


class HiddenASGI(Hidden):
    __slots__ = ()

    async def __call__(self, *call):
        await self._wrapped_by_me(*call)


ASGI_LAYERS = {
    "a closure": asgi_closure,
    "a wrapper": asgi_wrapper,
    "another name": HiddenASGI,
    "a partial": lambda app: functools.partial(asgi_closure(app)),
    "OpenTelemetry": asgi_tracer,
    "BaseHTTPMiddleware": Passing,
    "CORSMiddleware": lambda app: CORSMiddleware(app, allow_origins=["https://shop.example"]),
    "GZipMiddleware": GZipMiddleware,
    "several": lambda app: Passing(asgi_closure(HiddenASGI(GZipMiddleware(app)))),
}


def starlette_app(inside=(), outside=(), *, misplaced=False):
    ours = Middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
    layers = [*map(Middleware, outside), ours, *map(Middleware, inside)]
    return Starlette(routes=asgi_routes(misplaced=misplaced), middleware=layers)


def fastapi_app(inside=(), outside=(), *, misplaced=False):
    app = fastapi.FastAPI(routes=asgi_routes(misplaced=misplaced))
    for layer in inside:
        app.add_middleware(layer)
    app.add_middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
    for layer in outside:
        app.add_middleware(layer)
    return app


def around(inside=(), outside=(), *, misplaced=False):
    """Wrap the application without its own list of middleware."""
    app = Starlette(routes=asgi_routes(misplaced=misplaced))
    for layer in inside:
        app = layer(app)
    app = gatepass_starlette.AccessTokenMiddleware(app, server=resource_server())
    for layer in outside:
        app = layer(app)
    return app


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, around])
class TestStarletteAndFastAPI:
    @pytest.mark.parametrize("name", ASGI_LAYERS)
    def test_marks_and_guards_work_through_a_layer(self, make, name):
        is_guarded(ASGIClient(make([ASGI_LAYERS[name]])))

    @pytest.mark.parametrize("name", ASGI_LAYERS)
    def test_a_misplaced_guard_is_detected_through_a_layer(self, make, name):
        crash = ASGIClient(make([ASGI_LAYERS[name]], misplaced=True)).send("GET", "/orders", bearer()).crash

        assert isinstance(crash, ConfigurationError)
        assert "was registered without it" in str(crash)

    @pytest.mark.parametrize("name", ASGI_LAYERS)
    def test_a_layer_may_wrap_the_middleware(self, make, name):
        is_guarded(ASGIClient(make(outside=[ASGI_LAYERS[name]])))


class OfAService:
    """A class that holds the application, with a method as middleware."""

    def __init__(self, app):
        self.app, self.seen = app, 0

    async def count(self, request, call_next):
        self.seen += 1
        return await call_next(request)


def counting(app, *others):
    async def count(request, call_next):
        app.state.seen = (len(app.routes), [len(other.routes) for other in others])
        return await call_next(request)

    return count


class Owned(HiddenASGI):
    __slots__ = ("owner",)

    def __init__(self, app, owner):
        super().__init__(app)
        self.owner = owner


REFERRING = {
    "a closure": lambda app: Middleware(BaseHTTPMiddleware, dispatch=counting(app)),
    "a closure over another application": lambda app: Middleware(
        BaseHTTPMiddleware, dispatch=counting(app, fastapi.FastAPI(), Starlette(), Router(), fastapi.APIRouter())
    ),
    "a bound method": lambda app: Middleware(BaseHTTPMiddleware, dispatch=OfAService(app).count),
    "an attribute": lambda app: Middleware(Owned, owner=app),
    "an attribute with the router": lambda app: Middleware(Owned, owner=app.router),
}


@pytest.mark.parametrize("framework", [Starlette, fastapi.FastAPI])
@pytest.mark.parametrize("name", REFERRING)
def test_a_layer_may_refer_to_its_own_application(framework, name):
    app = framework(routes=asgi_routes())
    layer = REFERRING[name](app)
    app.add_middleware(layer.cls, **layer.kwargs)
    app.add_middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())

    is_guarded(ASGIClient(app))


def test_a_layer_that_may_call_another_application_is_refused():
    app = Starlette(routes=asgi_routes())
    app.add_middleware(Owned, owner=Starlette())
    app.add_middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())

    crash = ASGIClient(app).send("GET", "/about").crash
    assert isinstance(crash, ConfigurationError)
    assert "several applications" in str(crash)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
def test_opentelemetry_may_instrument_asgi_before_and_after_the_middleware(framework, is_before):
    module = pytest.importorskip(f"opentelemetry.instrumentation.{framework}")
    instrumentor = module.StarletteInstrumentor() if framework == "starlette" else module.FastAPIInstrumentor()
    app = (Starlette if framework == "starlette" else fastapi.FastAPI)(routes=asgi_routes())
    if is_before:
        instrumentor.instrument_app(app)
    app.add_middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
    if not is_before:
        instrumentor.instrument_app(app)

    is_guarded(ASGIClient(app))


def test_an_instrumented_fastapi_application_may_be_wrapped():
    module = pytest.importorskip("opentelemetry.instrumentation.fastapi")
    app = fastapi.FastAPI(routes=asgi_routes())
    module.FastAPIInstrumentor().instrument_app(app)

    is_guarded(ASGIClient(gatepass_starlette.AccessTokenMiddleware(app, server=resource_server())))


class TestRoutesOf:
    def test_routes_of_names_the_application_behind_an_opaque_layer(self):
        app = Starlette(routes=asgi_routes())
        names = {"inner": app}
        exec("async def layer(*call): await inner(*call)", names)  # noqa: S102 - as above
        wrap = functools.partial(gatepass_starlette.AccessTokenMiddleware, names["layer"], server=resource_server())

        with pytest.raises(ConfigurationError, match=r"no routes.*routes_of=app.*routes_of=None"):
            wrap()
        is_guarded(ASGIClient(wrap(routes_of=app)))
        assert ASGIClient(wrap(routes_of=None)).send("GET", "/about").status == 401

    @pytest.mark.parametrize("routes_of", ["shop", 5, [], asgi_closure(None), Starlette])
    def test_routes_of_refuses_an_object_without_routes(self, routes_of):
        with pytest.raises(ConfigurationError, match="routes_of= takes"):
            gatepass_starlette.AccessTokenMiddleware(Starlette(), server=resource_server(), routes_of=routes_of)

    def test_a_layer_that_chooses_between_applications_is_refused(self):
        both = {"/one": Starlette(routes=asgi_routes()), "/two": Starlette(routes=asgi_routes())}

        async def choose(scope, receive, send):
            await both[scope["path"]](scope, receive, send)

        with pytest.raises(ConfigurationError, match="several applications"):
            gatepass_starlette.AccessTokenMiddleware(choose, server=resource_server())

    def test_a_wrapped_mount_matches_paths_like_its_routes(self):
        """A path of the mounted application is not a path of the mount."""
        inner = [Route("/api/all", public(functools.partial(about))), *asgi_routes()]
        wrapped = gatepass_starlette.AccessTokenMiddleware(Mount("/api", routes=inner), server=resource_server())

        is_guarded(ASGIClient(wrapped), "/api")


def asgi(app):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module of Starlette is deprecated, but installed everywhere
        from starlette.middleware.wsgi import WSGIMiddleware
    return WSGIMiddleware(app)


class TestMountedFlask:
    @staticmethod
    def mall(mounted):
        protection = Middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
        return ASGIClient(Starlette(routes=[*asgi_routes(), Mount("/flask", mounted)], middleware=[protection]))

    def test_one_without_marks_is_protected(self):
        app = Flask("plain")
        app.add_url_rule("/all", "all", lambda: "all")
        client = self.mall(asgi(app))

        assert client.send("GET", "/flask/all").status == 401
        assert client.send("GET", "/flask/all", bearer()).body == b"all"

    @pytest.mark.parametrize("wrap", [asgi, lambda app: asgi_closure(asgi(ProxyFix(app)))])
    def test_one_with_marks_is_refused_with_a_solution(self, wrap):
        crash = self.mall(wrap(shop())).send("GET", "/flask/about").crash

        assert isinstance(crash, ConfigurationError)
        assert "mark the mounted application as public" in str(crash)

    def test_one_with_a_misplaced_guard_is_refused(self):
        app = Flask("misplaced")
        gatepass_flask.require_auth()(app.get("/orders")(lambda: "secret"))

        assert isinstance(self.mall(asgi(app)).send("GET", "/flask/orders", bearer()).crash, ConfigurationError)

    def test_one_with_its_own_middleware_protects_itself_in_a_public_mount(self):
        app = shop()
        put_on(app)
        client = self.mall(public(asgi(app)))

        is_guarded(client, "/flask")
        is_guarded(client)


class TestMounts:
    @pytest.mark.parametrize("name", ASGI_LAYERS)
    @pytest.mark.parametrize("kind", [Starlette, Router, fastapi.FastAPI, fastapi.APIRouter])
    def test_marks_and_guards_of_a_mounted_application_work_through_a_layer(self, kind, name):
        protection = Middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
        mounted = ASGI_LAYERS[name](kind(routes=asgi_routes()))
        app = Starlette(routes=[Mount("/shop", mounted)], middleware=[protection])

        is_guarded(ASGIClient(app), "/shop")

    @pytest.mark.parametrize("name", ASGI_LAYERS)
    def test_a_misplaced_guard_of_a_mounted_application_is_detected_through_a_layer(self, name):
        protection = Middleware(gatepass_starlette.AccessTokenMiddleware, server=resource_server())
        mounted = ASGI_LAYERS[name](Starlette(routes=asgi_routes(misplaced=True)))
        app = Starlette(routes=[Mount("/shop", mounted)], middleware=[protection])

        assert isinstance(ASGIClient(app).send("GET", "/shop/orders", bearer()).crash, ConfigurationError)
