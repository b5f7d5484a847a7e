"""Django: the contract under WSGI and ASGI, class-based views, marks, guards, and middleware between them."""

import time
from inspect import isclass
from threading import Thread, current_thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, register_converter
from django.utils.decorators import method_decorator, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from tests.adapters.contract import SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.django import project as django_project
from tests.support.django.handlers import OURS, AsyncStatus, DjangoContract, Orders, Status, checked, handler, start
from tests.support.raw_http import RawServer, check_raw_requests
from tests.support.refusals import refuse

from gatepass import ConfigurationError
from gatepass_django import AccessTokenMiddleware, optional_auth, public, require_auth

__all__ = ["start"]


class TestDjangoWSGI(DjangoContract):
    def client_of(self, server, middleware):
        return WSGIClient(handler(WSGIHandler, server, middleware=middleware))


class TestDjangoASGI(DjangoContract):
    awaits_hooks = True
    project = "tests.support.django.async_project"

    def client_of(self, server, middleware):
        return ASGIClient(handler(ASGIHandler, server, middleware=middleware))


class TestDjangoASGIWithSyncViews(DjangoContract):
    """Plain views and hooks run in threads, the middleware itself on the event loop."""

    awaits_hooks = True
    test_no_header_costs_more_than_its_length = None  # headers are parsed as in TestDjangoASGI

    def build(self, server, *, cors=False):
        inner = ["tests.support.django.async_project.answer_preflights"] if cors else []
        return ASGIClient(handler(ASGIHandler, server, middleware=[OURS, *inner]))

    def client_of(self, server, middleware):
        return ASGIClient(handler(ASGIHandler, server, middleware=middleware))


class TestDjangoASGIAroundSyncMiddleware(DjangoContract):
    """Inside is a synchronous middleware: ours then runs in its thread, and cannot await."""

    test_no_header_costs_more_than_its_length = None  # headers are parsed as in TestDjangoASGI

    def build(self, server, *, cors=False):
        inner = "answer_preflights" if cors else "do_nothing"
        return self.client_of(server, [OURS, f"tests.support.django.project.{inner}"])

    def client_of(self, server, middleware):
        return ASGIClient(handler(ASGIHandler, server, middleware=middleware))

    def test_a_plain_hook_never_runs_on_the_event_loop(self):
        threads = []

        def is_revoked(_):
            threads.append(current_thread())
            return False

        assert self.build(resource_server({"is_revoked": is_revoked})).send("GET", "/protected", bearer()).status == 200
        assert current_thread() not in threads
        assert len(threads) == 1


def test_the_middleware_uses_no_thread_under_asgi():
    async def respond(request): ...

    with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}):
        native, plain = AccessTokenMiddleware(respond), AccessTokenMiddleware(lambda request: None)

    assert iscoroutinefunction(native)
    assert iscoroutinefunction(native.process_view)
    assert not iscoroutinefunction(plain)
    assert not iscoroutinefunction(plain.process_view)


# --- views of every kind

preflight = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")]


def change_urls(get_response):
    """Select other URLs, as a project with URLs by host or tenant does."""

    def middleware(request):
        request.urlconf = "tests.support.django.other_urls"
        return get_response(request)

    return middleware


def change_path(get_response):
    def middleware(request):
        request.path_info = "/orders"
        return get_response(request)

    return middleware


async def _awaited():
    yield b"internal"


def fall_back(get_response):
    """Return a page for every path without a view, as the flatpages of Django do."""

    def middleware(request):
        response = get_response(request)
        if response.status_code != 404:
            return response
        page = HttpResponse(b"internal")
        if "stream" in request.path:
            page = StreamingHttpResponse(_awaited() if hasattr(request, "scope") else [b"internal"])
        page["Content-Length"] = "8"
        return page

    return middleware


@pytest.mark.parametrize("kind", ["", "/async"])
class TestClassBasedViews:
    def test_a_guard_on_dispatch_guards_every_method(self, start, kind):
        client = start()

        assert client.send("GET", f"{kind}/orders", bearer(token(scope="orders:read"))).body == b"anna"
        refused = client.send("GET", f"{kind}/orders", bearer())
        DjangoContract().same(refused, SCOPE_IS_MISSING)
        assert client.send("POST", f"{kind}/orders", bearer()).status == 403

    def test_a_guard_on_a_method_guards_that_method(self, start, kind):
        client = start()

        assert client.send("GET", f"{kind}/methods", bearer()).body == b"anna"
        assert client.send("PUT", f"{kind}/methods", bearer()).status == 403
        assert client.send("PUT", f"{kind}/methods", bearer(token(scope="orders:write"))).body == b"written"

    def test_a_mark_on_dispatch_makes_the_view_public(self, start, kind):
        assert start().send("GET", f"{kind}/status", bearer()).body == b"anonymous"

    def test_a_preflight_without_cors_middleware_is_refused(self, start, kind):
        assert start().send("OPTIONS", f"{kind}/methods", preflight).status == 401


def at(*views):
    """Return URLs for *views*, classes and functions, each under its name."""
    made = [(view.__name__, view.as_view() if isclass(view) else view) for view in views]
    return tuple(path(name, view) for name, view in made)


@pytest.mark.parametrize("base", [Status, AsyncStatus])
def test_a_public_class_does_not_make_its_subclasses_public(start, base):
    class Heir(base): ...

    class Mixed(Heir, base): ...

    @method_decorator(csrf_exempt, name="dispatch")
    class Decorated(base): ...

    class Overridden(base):
        def dispatch(self, request, *args, **kwargs):
            return super().dispatch(request, *args, **kwargs)

    @method_decorator(public, name="dispatch")
    class Open(Heir): ...

    @method_decorator([csrf_exempt, optional_auth], name="dispatch")
    class Maybe(Heir): ...

    @public
    class Marked(Heir): ...

    itself = public(csrf_exempt(Heir.as_view()))
    wrapped = csrf_exempt(public(Decorated.as_view()))
    itself.__name__, wrapped.__name__ = "itself", "wrapped"
    client = start(urls=at(base, Heir, Mixed, Decorated, Overridden, Open, Maybe, Marked, itself, wrapped))

    for name in (base.__name__, "Open", "Maybe", "Marked", "itself", "wrapped"):
        assert client.send("GET", f"/{name}").body == b"anonymous", name
    assert client.send("GET", "/Maybe", bearer()).body == b"anna"
    for name in ("Heir", "Mixed", "Decorated", "Overridden"):
        assert client.send("GET", f"/{name}").status == 401, name
        assert client.send("GET", f"/{name}", bearer()).body == b"anna", name


class Passing(MiddlewareMixin):
    """A synchronous middleware as in most projects, which asynchronous Django runs in a thread."""

    def process_request(self, request):
        request.passed = True

    def process_response(self, request, response):
        response["X-Passed"] = "yes"
        return response


@sync_and_async_middleware
def passing(get_response):
    if iscoroutinefunction(get_response):

        async def awaiting(request):
            return await get_response(request)

        return awaiting
    return lambda request: get_response(request)  # noqa: PLW0108 - a layer


@pytest.mark.parametrize("below", [(), (f"{__name__}.Passing",), (f"{__name__}.passing", f"{__name__}.Passing")])
@pytest.mark.parametrize("above", [(), (f"{__name__}.Passing",), (f"{__name__}.Passing", f"{__name__}.passing")])
class TestLayers:
    def test_marks_and_guards_work_between_other_middleware(self, start, above, below):
        client = start(None, *below, middleware=(*above, OURS))

        assert client.send("GET", "/status").body == b"anonymous"
        assert client.send("GET", "/methods").status == 401
        assert client.send("GET", "/orders", bearer()).status == 403
        answer = client.send("GET", "/orders", bearer(token(scope="orders:read")))
        assert answer.body == b"anna"
        assert bool(answer.all("x-passed")) is any("Passing" in name for name in (*above, *below))

    def test_a_misplaced_guard_is_detected_between_other_middleware(self, above, below, caplog):
        def orders(request):
            return django_project.text("secret")

        def between(request):
            return orders(request)

        require_auth(scopes=["orders:read"])(between)
        layers = [*above, OURS, *below]
        with override_settings(ROOT_URLCONF=at(orders)):
            client = WSGIClient(handler(WSGIHandler, resource_server(), middleware=layers))
            assert client.send("GET", "/orders", bearer()).status == 500
        assert "orders was registered without it" in caplog.text


def test_the_error_for_a_guard_without_parentheses_names_the_syntax():
    with pytest.raises(ConfigurationError, match=r"@require_auth\(\)"):
        require_auth(django_project.who)


def test_a_guard_on_a_view_of_another_framework_is_refused():
    with pytest.raises(ConfigurationError, match="another framework"):
        require_auth()(lambda: "a view of Flask")
    with pytest.raises(ConfigurationError, match="another framework"):
        require_auth()(lambda request: "a view of Starlette")(object())


@pytest.mark.parametrize("path", ["/internal", "/streamed"])
def test_a_preflight_returns_no_page_that_middleware_adds(start, path):
    client = start(None, f"{__name__}.fall_back")

    answer = client.send("OPTIONS", path, preflight)
    assert (answer.body, answer.all("content-length")) == (b"", ["0"])
    assert client.send("GET", path).status == 401
    assert client.send("GET", path, bearer()).body == b"internal"


class TestRoutes:
    def test_a_mark_in_nested_urls_is_found(self, start):
        client = start()

        assert client.send("GET", "/shop/7/").body == b"7"
        assert client.send("GET", "/shop/x/").status == 401
        assert client.send("GET", "/shop/7").status == 401

    @pytest.mark.parametrize(("change", "target"), [("change_urls", "/status"), ("change_path", "/healthz")])
    def test_middleware_that_changes_the_view_of_a_public_path_makes_no_view_public(self, start, change, target):
        client = start(None, f"{__name__}.{change}")

        assert client.send("GET", target).status == 401
        assert client.send("GET", target, bearer(token(scope="orders:read"))).body == b"anna"

    def test_a_project_without_marks_resolves_urls_once(self, start, monkeypatch):
        client = start(urls="tests.support.django.other_urls")
        monkeypatch.setattr("gatepass_django.middleware.resolve", None)

        assert client.send("GET", "/status", bearer()).body == b"anna"

    def test_a_redirect_that_appends_a_slash_needs_a_token(self, start):
        client = start(None, "django.middleware.common.CommonMiddleware", APPEND_SLASH=True)

        assert client.send("GET", "/shop/x").status == 401

    def test_a_response_of_an_optional_view_keeps_its_vary(self, start):
        client = start(None, f"{__name__}.vary_by_language", urls="tests.support.django.project")

        assert client.send("GET", "/maybe").all("vary") == ["Accept-Language, Authorization"]


def vary_by_language(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["Vary"] = "Accept-Language"
        return response

    return middleware


class TestProxies:
    def test_the_scheme_follows_secure_proxy_ssl_header(self, start):
        client = start(
            resource_server(https="require"),
            urls="tests.support.django.project",
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        )
        proxied = [*bearer(), ("X-Forwarded-Proto", "https")]

        assert client.send("GET", "/protected", proxied, scheme="http").body == b"anna"
        assert client.send("GET", "/protected", bearer(), scheme="http").status == 400

    @pytest.mark.parametrize("urls", ["tests.support.django.project", "tests.support.django.async_project"])
    def test_django_test_clients_count_as_loopback(self, urls):
        setting = {"RESOURCE_SERVER": resource_server(https="require")}
        with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[OURS], GATEPASS=setting, ALLOWED_HOSTS=["testserver"]):
            headers = dict(bearer())
            assert Client().get("/protected", headers=headers).content == b"anna"
            assert Client().get("/protected", headers=headers, REMOTE_ADDR="203.0.113.9").status_code == 400
            assert (
                Client().get("/protected", headers=headers, REMOTE_ADDR="203.0.113.9", secure=True).status_code == 200
            )
            asked = async_to_sync(AsyncClient().get)("/protected", headers=headers)
            assert asked.content == b"anna"


# --- over a socket


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def raw_wsgi_server():
    application = handler(WSGIHandler, resource_server(), middleware=[OURS])
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield RawServer(server.server_port)
        server.shutdown()
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture
def raw_asgi_server():
    application = handler(ASGIHandler, resource_server(), middleware=[OURS])
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", log_config=None, access_log=False))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield RawServer(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(120)
    assert not thread.is_alive()


@pytest.mark.parametrize("wire", ["raw_wsgi_server", "raw_asgi_server"])
def test_raw_requests_get_the_responses_of_the_contract(wire, request):
    check_raw_requests(request.getfixturevalue(wire))


def bare(request):
    return django_project.text("secret")


require_auth(scopes=["orders:read"])(bare)
URLS_WITHOUT_THE_GUARD = (path("", include([path("orders", bare)])),)


def test_a_url_with_the_unguarded_view_is_detected_before_it_serves_a_request(start, caplog):
    assert start(urls=URLS_WITHOUT_THE_GUARD).send("GET", "/orders", bearer()).status == 500
    assert "the view bare was registered without it" in caplog.text


def choose_urls_without_the_guard(get_response):
    def middleware(request):
        if request.path_info == "/orders":
            request.urlconf = URLS_WITHOUT_THE_GUARD
        return get_response(request)

    return middleware


def test_the_unguarded_view_is_detected_in_a_urlconf_chosen_by_middleware_below(start, caplog):
    client = start(None, f"{__name__}.choose_urls_without_the_guard")

    assert client.send("GET", "/status").body == b"anonymous"
    for _ in range(2):
        caplog.clear()
        assert client.send("GET", "/orders", bearer()).status == 500
        assert "the view bare was registered without it" in caplog.text


class Raising:
    """A URL converter that raises exceptions."""

    regex = "[a-z]+"

    def to_python(self, value):
        if value == "missing":
            raise Http404
        if value == "refused":
            refuse("scope")
        raise KeyError(value)

    def to_url(self, value):
        return value


register_converter(Raising, "raising")
URLS_THAT_RAISE = (
    path("open", public(django_project.opened)),
    path("<raising:value>/x", lambda request, value: django_project.text("in")),
)


def test_an_exception_of_a_converter_is_401_without_a_token(start):
    client = start(urls=URLS_THAT_RAISE)

    for value in ("missing", "refused", "key"):
        answer = client.send("GET", f"/{value}/x")
        assert (answer.status, answer.all("www-authenticate")) == (401, ['Bearer realm="api"']), value
    assert client.send("GET", "/missing/x", bearer()).status == 404
    assert client.send("GET", "/key/x", bearer()).status == 500
    assert client.send("GET", "/open").status == 200


def test_a_mark_on_a_method_of_a_class_has_no_effect(start):
    class Methods(View):
        @method_decorator(public)
        def get(self, request):
            return django_project.text("secret")

    client = start(urls=(path("methods", Methods.as_view()), path("heir", type("Heir", (Methods,), {}).as_view())))

    assert client.send("GET", "/methods").status == 401
    assert client.send("GET", "/heir").status == 401


def test_the_checks_report_a_url_with_the_unguarded_view():
    with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}, ROOT_URLCONF=URLS_WITHOUT_THE_GUARD):
        assert "gatepass.E004" in [message.id for message in checked()]


class Undecorated(View):
    @require_auth(scopes=["orders:read"])
    def get(self, request):
        return django_project.text("secret")


def test_the_error_for_a_guard_on_a_method_names_method_decorator(start, caplog):
    assert start(urls=(path("orders", Undecorated.as_view()),)).send("GET", "/orders", bearer()).status == 500
    assert 'put @method_decorator(require_auth(...), name="dispatch") on the class' in caplog.text


@pytest.mark.parametrize("view", [Orders, path("orders", bare), include([]), "orders"])
def test_a_guard_around_an_object_other_than_a_view_function_is_refused(view):
    with pytest.raises(ConfigurationError, match="method_decorator"):
        require_auth()(view)
