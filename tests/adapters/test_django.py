"""Django answers as the contract says, under WSGI and ASGI; its settings are checked before the first request."""

import asyncio
import io
import json
import re
import time
from contextlib import ExitStack
from inspect import isclass
from threading import Thread, current_thread
from typing import ClassVar
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import uvicorn
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.checks import ERROR, Tags, run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, transaction
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path, register_converter
from django.utils.decorators import method_decorator, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from flask import Flask
from tests.adapters.contract import SCOPE_IS_MISSING, MiddlewareContract
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import AUDIENCE, ISSUER, bearer, resource_server, token
from tests.support.certificates import trusted_by_default, vouched_for
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.django import project as django_project
from tests.support.key_server import by_path, document, serving
from tests.support.raising import refuse
from tests.support.wire import Wire, hold_the_wire
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gatepass import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER, ConfigurationError, Key, KeySet, Profile
from gatepass.errors import InsufficientScope
from gatepass_django import AccessTokenMiddleware, optional_auth, public, require_auth
from gatepass_flask import AccessTokenMiddleware as FlaskMiddleware

OURS = "gatepass_django.AccessTokenMiddleware"


def handler(made, server, *, middleware, public=("/healthz",), **settings):
    """The handler of the framework, which reads the settings now and keeps what it made of them."""
    setting = {"RESOURCE_SERVER": server, "PUBLIC": list(public)}
    with override_settings(GATEPASS=setting, MIDDLEWARE=middleware, **settings):
        return made()


class DjangoContract(CookieContract, MiddlewareContract):
    proxied_by = 'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")'
    joins_challenges = True
    reads_slowly = "Content-Type"
    project = "tests.support.django.project"

    @pytest.fixture(autouse=True)
    def urls(self):
        with override_settings(ROOT_URLCONF=self.project):
            yield

    def build(self, server, *, cors=False):
        return self.client_of(server, [OURS, *([f"{self.project}.answer_preflights"] if cors else [])])

    def build_without_middleware(self):
        return self.client_of(None, [])

    def build_public(self, server, paths):
        setting = {"RESOURCE_SERVER": server, "PUBLIC": paths}
        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
            return WSGIHandler()

    def client_of(self, server, middleware):
        raise NotImplementedError


class TestDjangoWSGI(DjangoContract):
    def client_of(self, server, middleware):
        return WSGIClient(handler(WSGIHandler, server, middleware=middleware))


class TestDjangoASGI(DjangoContract):
    awaits_hooks = True
    project = "tests.support.django.async_project"

    def client_of(self, server, middleware):
        return ASGIClient(handler(ASGIHandler, server, middleware=middleware))


class TestDjangoASGIWithSyncViews(DjangoContract):
    """Plain views and hooks in threads, the middleware itself on the event loop."""

    awaits_hooks = True

    def build(self, server, *, cors=False):
        inner = ["tests.support.django.async_project.answer_preflights"] if cors else []
        return ASGIClient(handler(ASGIHandler, server, middleware=[OURS, *inner]))

    def client_of(self, server, middleware):
        return ASGIClient(handler(ASGIHandler, server, middleware=middleware))


class TestDjangoASGIAroundSyncMiddleware(DjangoContract):
    """A middleware that is only synchronous stands inside: ours then runs in its thread, and cannot await."""

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


def test_nothing_of_the_middleware_goes_to_a_thread_under_asgi():
    async def respond(request): ...

    with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}):
        native, plain = AccessTokenMiddleware(respond), AccessTokenMiddleware(lambda request: None)

    assert iscoroutinefunction(native)
    assert iscoroutinefunction(native.process_view)
    assert not iscoroutinefunction(plain)
    assert not iscoroutinefunction(plain.process_view)


# --- views of every kind

preflight = [("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET")]


@method_decorator(require_auth(scopes=["orders:read"]), name="dispatch")
class Orders(View):
    def get(self, request):
        return django_project.who(request)


@method_decorator(require_auth(scopes=["orders:read"]), name="dispatch")
class AsyncOrders(View):
    async def get(self, request):
        return django_project.who(request)


class Methods(View):
    def get(self, request):
        return django_project.who(request)

    @method_decorator(require_auth(scopes=["orders:write"]))
    def put(self, request):
        return django_project.text("written")


class AsyncMethods(View):
    async def get(self, request):
        return django_project.who(request)

    @method_decorator(require_auth(scopes=["orders:write"]))
    async def put(self, request):
        return django_project.text("written")


@method_decorator(public, name="dispatch")
class Status(View):
    def get(self, request):
        return django_project.who(request)


@method_decorator(public, name="dispatch")
class AsyncStatus(View):
    async def get(self, request):
        return django_project.who(request)


def change_urls(get_response):
    """A project that chooses its URLs by host or tenant does it like this."""

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
    """What Django's own flatpages do: a page for every path that no view has."""

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


urlpatterns = [
    path("orders", Orders.as_view()),
    path("async/orders", AsyncOrders.as_view()),
    path("methods", Methods.as_view()),
    path("async/methods", AsyncMethods.as_view()),
    path("status", Status.as_view()),
    path("async/status", AsyncStatus.as_view()),
    path("shop/", include([path("<int:number>/", public(lambda request, number: django_project.text(f"{number}")))])),
]


@pytest.fixture(params=[(WSGIHandler, WSGIClient), (ASGIHandler, ASGIClient)], ids=["wsgi", "asgi"])
def start(request):
    made, client = request.param
    with ExitStack() as stack:

        def started(server=None, *inner, urls=__name__, middleware=(OURS,), **settings):
            stack.enter_context(override_settings(ROOT_URLCONF=urls, **settings))
            return client(handler(made, server or resource_server(), middleware=[*middleware, *inner]))

        yield started


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

    def test_a_mark_on_dispatch_opens_the_view(self, start, kind):
        assert start().send("GET", f"{kind}/status", bearer()).body == b"nobody"

    def test_a_preflight_that_no_middleware_answers_is_refused(self, start, kind):
        assert start().send("OPTIONS", f"{kind}/methods", preflight).status == 401


def at(*views):
    """URLs for *views*, classes and functions, each under its name."""
    made = [(view.__name__, view.as_view() if isclass(view) else view) for view in views]
    return tuple(path(name, view) for name, view in made)


@pytest.mark.parametrize("base", [Status, AsyncStatus])
def test_a_class_that_is_open_does_not_open_its_heirs(start, base):
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
        assert client.send("GET", f"/{name}").body == b"nobody", name
    assert client.send("GET", "/Maybe", bearer()).body == b"anna"
    for name in ("Heir", "Mixed", "Decorated", "Overridden"):
        assert client.send("GET", f"/{name}").status == 401, name
        assert client.send("GET", f"/{name}", bearer()).body == b"anna", name


class Passing(MiddlewareMixin):
    """What most projects write: sync, and run in a thread where Django is asynchronous."""

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
    def test_marks_and_guards_hold_between_other_middleware(self, start, above, below):
        client = start(None, *below, middleware=(*above, OURS))

        assert client.send("GET", "/status").body == b"nobody"
        assert client.send("GET", "/methods").status == 401
        assert client.send("GET", "/orders", bearer()).status == 403
        answer = client.send("GET", "/orders", bearer(token(scope="orders:read")))
        assert answer.body == b"anna"
        assert bool(answer.all("x-passed")) is any("Passing" in name for name in (*above, *below))

    def test_a_misplaced_guard_is_told_between_other_middleware(self, above, below, caplog):
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


def test_a_guard_without_parentheses_says_what_to_write():
    with pytest.raises(ConfigurationError, match=r"@require_auth\(\)"):
        require_auth(django_project.who)


def test_a_guard_on_a_view_of_another_framework_says_so():
    with pytest.raises(ConfigurationError, match="another framework"):
        require_auth()(lambda: "a view of Flask")
    with pytest.raises(ConfigurationError, match="another framework"):
        require_auth()(lambda request: "a view of Starlette")(object())


@pytest.mark.parametrize("path", ["/internal", "/streamed"])
def test_a_preflight_brings_back_no_page_that_is_no_view_either(start, path):
    client = start(None, f"{__name__}.fall_back")

    answer = client.send("OPTIONS", path, preflight)
    assert (answer.body, answer.all("content-length")) == (b"", ["0"])
    assert client.send("GET", path).status == 401
    assert client.send("GET", path, bearer()).body == b"internal"


class TestRoutes:
    def test_a_mark_deep_in_the_urls_is_found(self, start):
        client = start()

        assert client.send("GET", "/shop/7/").body == b"7"
        assert client.send("GET", "/shop/x/").status == 401
        assert client.send("GET", "/shop/7").status == 401

    @pytest.mark.parametrize(("change", "target"), [("change_urls", "/status"), ("change_path", "/healthz")])
    def test_a_middleware_that_turns_an_open_path_into_another_view_opens_nothing(self, start, change, target):
        client = start(None, f"{__name__}.{change}")

        assert client.send("GET", target).status == 401
        assert client.send("GET", target, bearer(token(scope="orders:read"))).body == b"anna"

    def test_a_project_without_marks_never_resolves_twice(self, start, monkeypatch):
        client = start(urls="tests.support.django.other_urls")
        monkeypatch.setattr("gatepass_django.middleware.resolve", None)

        assert client.send("GET", "/status", bearer()).body == b"anna"

    def test_an_open_redirect_to_a_slash_tells_strangers_nothing(self, start):
        client = start(None, "django.middleware.common.CommonMiddleware", APPEND_SLASH=True)

        assert client.send("GET", "/shop/x").status == 401

    def test_an_optional_answer_keeps_the_views_own_vary(self, start):
        client = start(None, f"{__name__}.vary_by_language", urls="tests.support.django.project")

        assert client.send("GET", "/maybe").all("vary") == ["Accept-Language, Authorization"]


def vary_by_language(get_response):
    def middleware(request):
        response = get_response(request)
        response.headers["Vary"] = "Accept-Language"
        return response

    return middleware


# --- refusals that the project raises


def refused(request, *_):
    refuse("scope")


async def refused_async(request):
    refuse("scope")


class Refused(View):
    def get(self, request):
        refuse("scope")


class Late(SimpleTemplateResponse):
    """A template that is rendered after the view."""

    @property
    def rendered_content(self):
        refuse("scope")


def refuse_before(get_response):
    return refused


def refuse_after(get_response):
    def middleware(request):
        get_response(request)
        refuse("scope")

    return middleware


@sync_and_async_middleware
def refuse_either(get_response):
    return refused_async if iscoroutinefunction(get_response) else refused


def answers_exceptions(get_response):
    def middleware(request):
        return get_response(request)

    middleware.process_exception = lambda request, error: HttpResponse("theirs", status=getattr(error, "status", 500))
    return middleware


def stream(request):
    return StreamingHttpResponse(refused(request) for _ in "x")


def stream_empty_at_first(request):
    def parts():
        yield ""
        refuse("scope")

    return StreamingHttpResponse(parts())


async def stream_async(request):
    async def parts():
        yield ""
        refuse("scope")

    return StreamingHttpResponse(parts())


async def task(request):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(refused_async(request))


def group(request):
    raise ExceptionGroup("tasks", [InsufficientScope(("orders:read",))])


def group_below(get_response):
    return group


class TestRaisedRefusals:
    urls: ClassVar = {
        "stream": stream,
        "stream_empty": stream_empty_at_first,
        "stream_async": stream_async,
        "task": task,
        "group": group,
        "function": refused,
        "coroutine": refused_async,
        "class": Refused.as_view(),
        "template": lambda request: Late(""),
    }

    @pytest.fixture(autouse=True)
    def _urls(self):
        urlpatterns.extend(path(f"raises/{name}", view) for name, view in self.urls.items())
        yield
        del urlpatterns[-len(self.urls) :]

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
    @pytest.mark.parametrize("mode", [{}, {"DEBUG": True}, {"DEBUG_PROPAGATE_EXCEPTIONS": True}])
    @pytest.mark.parametrize("kind", urls)
    def test_it_is_answered_wherever_it_is_raised(self, start, kind, mode):
        DjangoContract().same(start(**mode).send("GET", f"/raises/{kind}", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("mode", [{}, {"DEBUG": True}, {"DEBUG_PROPAGATE_EXCEPTIONS": True}])
    @pytest.mark.parametrize("kind", ["refuse_before", "refuse_after", "refuse_either", "group_below"])
    @pytest.mark.parametrize("others", [0, 2])
    def test_middleware_below_may_raise_it_too(self, start, kind, mode, others):
        between = ["tests.support.django.project.do_nothing"] * others

        answer = start(None, *between, f"{__name__}.{kind}", **mode).send("GET", "/status", bearer())

        DjangoContract().same(answer, SCOPE_IS_MISSING)

    def test_middleware_below_may_answer_it_and_above_is_not_asked(self, start):
        theirs = f"{__name__}.answers_exceptions"

        below = start(None, theirs).send("GET", "/raises/function", bearer())
        above = start(middleware=[theirs, OURS]).send("GET", "/raises/function", bearer())

        assert (below.status, below.body) == (403, b"theirs")
        DjangoContract().same(above, SCOPE_IS_MISSING)

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
    @pytest.mark.parametrize("kind", ["stream", "stream_empty", "stream_async"])
    def test_a_stream_is_refused_below_middleware_that_is_only_synchronous(self, start, kind):
        client = start(None, "tests.support.django.project.do_nothing")

        DjangoContract().same(client.send("GET", f"/raises/{kind}", bearer()), SCOPE_IS_MISSING)

    def test_what_other_middleware_makes_of_its_500_stays(self, start):
        assert start(None, "tests.adapters.test_django.breaks").send("GET", "/status", bearer()).status == 500

    def test_djangos_test_client_gets_the_answer(self, start):
        start()

        with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}, MIDDLEWARE=[OURS]):
            assert Client(headers=dict(bearer())).get("/raises/function").status_code == 403

    @pytest.mark.parametrize("fails", [True, False])
    def test_the_transaction_of_the_request_is_rolled_back(self, start, monkeypatch, fails):
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        committed = []

        def view(request):
            transaction.on_commit(lambda: committed.append(True))
            return refuse("scope") if fails else django_project.text("done")

        urlpatterns[:0] = [path("raises/atomic", view)]
        try:
            status = start().send("GET", "/raises/atomic", bearer()).status
        finally:
            del urlpatterns[0]

        assert (status, committed) == ((403, []) if fails else (200, [True]))

    @pytest.mark.parametrize(("hands_on", "status"), [(True, 403), (False, 500)])
    def test_below_another_framework_django_has_to_hand_it_on(self, start, hands_on, status):
        start(DEBUG_PROPAGATE_EXCEPTIONS=hands_on)
        wsgi = handler(WSGIHandler, None, middleware=[])
        below = DispatcherMiddleware(Flask("outside"), {"/shop": wsgi})
        outside = WSGIClient(FlaskMiddleware(below, resource_server()))

        assert outside.send("GET", "/shop/raises/function", bearer()).status == status

    def test_where_nothing_was_judged_it_is_an_exception_as_any_other(self, start):
        assert start(middleware=[]).send("GET", "/raises/function", bearer()).status == 500


# --- streams

MADE, CLOSED = [], []


class Parts:
    """What a view streams, and what has been asked of it so far."""

    def __iter__(self):
        return self._made()

    def _made(self):
        for part in (b"", b"first ", b"second"):
            MADE.append(part)
            yield part

    def close(self):
        CLOSED.append(list(MADE))


class RefusedParts(Parts):
    def _made(self):
        refuse("scope")
        yield b"never"


async def event():
    MADE.append(b"event")
    yield b"data: 1\n\n"


async def parts_async():
    for part in Parts():
        yield part


STREAMS = {
    "parts": lambda request: StreamingHttpResponse(Parts()),
    "parts_async": lambda request: StreamingHttpResponse(parts_async()),
    "refused": lambda request: StreamingHttpResponse(RefusedParts()),
    "events": lambda request: StreamingHttpResponse(event(), content_type="text/event-stream"),
    "file": lambda request: FileResponse(io.BytesIO(b"a page"), filename="page"),
}


@sync_and_async_middleware
def looks(get_response):
    """Middleware around ours: it notes how far a stream has run when its response comes by."""

    def note(response):
        MADE.append("passed")
        return response

    if not iscoroutinefunction(get_response):
        return lambda request: note(get_response(request))

    async def middleware(request):
        return note(await get_response(request))

    return middleware


class TestStreams:
    @pytest.fixture(autouse=True)
    def _urls(self):
        MADE.clear()
        CLOSED.clear()
        urlpatterns.extend(path(f"stream/{name}", view) for name, view in STREAMS.items())
        yield
        del urlpatterns[-len(STREAMS) :]

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
    @pytest.mark.parametrize("kind", ["parts", "parts_async"])
    def test_it_arrives_whole_and_is_closed_once(self, start, kind):
        answer = start().send("GET", f"/stream/{kind}", bearer())

        assert answer.body == b"first second"
        assert len(CLOSED) == (1 if kind == "parts" else 0)

    @pytest.mark.parametrize(("kind", "made"), [("parts", WSGIHandler), ("parts_async", ASGIHandler)])
    def test_it_has_run_to_its_first_octet_and_no_further_when_it_is_handed_on(self, kind, made):
        client = WSGIClient if made is WSGIHandler else ASGIClient
        with override_settings(ROOT_URLCONF=__name__):
            app = handler(made, resource_server(), middleware=[f"{__name__}.looks", OURS])
            assert client(app).send("GET", f"/stream/{kind}", bearer()).body == b"first second"

        assert MADE == [b"", b"first ", "passed", b"second"]

    def test_one_that_is_refused_is_closed(self, start):
        DjangoContract().same(start().send("GET", "/stream/refused", bearer()), SCOPE_IS_MISSING)
        assert CLOSED == [[]]

    def test_an_event_stream_under_asgi_does_not_wait_for_its_first_event(self):
        with override_settings(ROOT_URLCONF=__name__):
            app = handler(ASGIHandler, resource_server(), middleware=[f"{__name__}.looks", OURS])
            assert ASGIClient(app).send("GET", "/stream/events", bearer()).body == b"data: 1\n\n"

        assert MADE == ["passed", b"event"]

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
    def test_a_file_is_left_to_the_server(self, start):
        assert start().send("GET", "/stream/file", bearer()).body == b"a page"


def breaks(get_response):
    def middleware(request):
        raise RuntimeError("boom")

    return middleware


class TestProxies:
    def test_the_scheme_is_the_one_that_django_was_told_to_believe(self, start):
        client = start(
            resource_server(https="require"),
            urls="tests.support.django.project",
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        )
        proxied = [*bearer(), ("X-Forwarded-Proto", "https")]

        assert client.send("GET", "/protected", proxied, scheme="http").body == b"anna"
        assert client.send("GET", "/protected", bearer(), scheme="http").status == 400

    @pytest.mark.parametrize("urls", ["tests.support.django.project", "tests.support.django.async_project"])
    def test_djangos_own_test_clients_count_as_this_machine(self, urls):
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


# --- the setting

SECRET = "8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48"
BROKEN = "tests.support.django.broken_module"
GOOD = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEY_ENV": "GATEPASS_TEST_SECRET"}
server_of_the_project = resource_server()
something_else = object()


def nobody_is_welcome(verified):
    return False


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("GATEPASS_TEST_SECRET", SECRET)


def checked():
    # No database is named: what is asked is what the setting's checks say, and a server may hold none of ours yet.
    # Nor the checks of an application that another test has installed for a while.
    return run_checks(databases=[], tags=[Tags.security])


def answer_to(setting, *headers, target="/protected", scheme="https"):
    with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS], ROOT_URLCONF="tests.support.django.project"):
        return WSGIClient(WSGIHandler()).send("GET", target, *headers, scheme=scheme)


def token_without_kid(**claims):
    return bearer(token(header={"kid": None}, **claims))


class TestSetting:
    def test_three_lines_are_enough(self):
        assert answer_to(GOOD, token_without_kid()).body == b"anna"
        assert answer_to(GOOD).status == 401

    @pytest.mark.parametrize(
        "setting", [f"{__name__}.server_of_the_project", {"RESOURCE_SERVER": server_of_the_project}]
    )
    def test_it_may_name_a_server_that_the_project_built(self, setting):
        assert answer_to(setting, bearer()).body == b"anna"

    def test_options_reach_verifier_and_server(self):
        def answer(headers=(), scheme="https", **options):
            return answer_to({**GOOD, **options}, headers, scheme=scheme)

        assert answer(REALM="shop").all("www-authenticate") == ['Bearer realm="shop"']
        assert answer(ERROR_FORMAT="empty").body == b""
        assert answer(HTTPS="require").status == 401
        assert answer(token_without_kid(), HTTPS="off", scheme="http").status == 200
        assert answer(token_without_kid(), scheme="http").status == 400
        assert answer(token_without_kid(), CHECK_SUBJECT=f"{__name__}.nobody_is_welcome").status == 401
        assert answer(token_without_kid(), CHECK_SUBJECT=nobody_is_welcome).status == 401
        assert answer(token_without_kid(), IS_REVOKED=f"{__name__}.nobody_is_welcome").status == 200
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"}))).status == 401
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"})), PROFILE="generic").status == 200
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"})), PROFILE=Profile.GENERIC).status == 200
        assert answer(token_without_kid(), AUDIENCE=["urn:other", AUDIENCE]).status == 200
        assert answer(token_without_kid(exp=int(time.time()) - 10)).status == 200
        assert answer(token_without_kid(exp=int(time.time()) - 10), LEEWAY=0).status == 401
        assert answer_to({**GOOD, "PUBLIC": ["/protected"]}).body == b"nobody"
        implied = {**GOOD, "IMPLIES": {"orders:write": ["orders:read"]}}
        assert answer_to(implied, token_without_kid(scope="orders:write"), target="/orders").body == b"anna"

    @pytest.mark.parametrize(("algorithms", "algorithm"), [(None, "RS256"), (["PS256"], "PS256")])
    def test_keys_may_come_from_files(self, tmp_path, algorithms, algorithm):
        key = Key.generate(algorithm)
        (tmp_path / "key.pem").write_text(key.public().to_pem())
        (tmp_path / "keys.json").write_text(json.dumps(KeySet([key]).to_jwks()))
        policy = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, **({"ALGORITHMS": algorithms} if algorithms else {})}

        for source in ({"PEM_FILE": tmp_path / "key.pem"}, {"JWKS_FILE": str(tmp_path / "keys.json")}, {"KEYS": key}):
            assert answer_to({**policy, **source}, bearer(token(key=key))).body == b"anna"

    def test_algorithms_that_can_be_read_once_hold_for_the_keys_and_for_the_verifier(self):
        setting = {**GOOD, "ALGORITHMS": iter(["HS256"])}

        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS], ROOT_URLCONF="tests.support.django.project"):
            assert WSGIClient(WSGIHandler()).send("GET", "/protected", token_without_kid()).body == b"anna"

    def test_keys_are_fetched_where_none_are_held(self, monkeypatch):
        pytest.importorskip("httpx")
        trusted_by_default(monkeypatch)
        key = Key.generate("RS256")
        with serving(document({}), tls=vouched_for()) as provider:
            provider.answer = by_path(
                _well_known_openid_configuration=document({"issuer": provider.origin, "jwks_uri": provider.url}),
                jwks_json=document(KeySet([key]).to_jwks()),
            )
            for source in ({}, {"JWKS_URI": provider.url}, {"JWKS_URI": provider.url, "ALGORITHMS": ["RS256"]}):
                setting = {"ISSUER": provider.origin, "AUDIENCE": AUDIENCE, **source}
                with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
                    assert checked() == []
                    asked = len(provider.requests)
                assert answer_to(setting, bearer(token(key=key, iss=provider.origin))).body == b"anna"
                through_metadata = "/.well-known/openid-configuration" in provider.paths[asked:]
                assert through_metadata is (source == {})

    def test_a_provider_has_its_profile_by_name(self):
        def answer(profile, typ):
            sent = token(header={"kid": None, "typ": "JWT"}, typ=typ, azp="web")
            return answer_to({**GOOD, "PROFILE": profile}, bearer(sent))

        for profile in ("keycloak", "KEYCLOAK", Profile.KEYCLOAK):
            assert answer(profile, "Bearer").body == b"anna"
            assert answer(profile, "ID").status == 401

    @pytest.mark.parametrize(
        ("setting", "sentence"),
        [
            (None, "the setting GATEPASS is missing"),
            ({}, "the setting GATEPASS is missing"),
            (["x"], "the setting GATEPASS is missing"),
            (
                {**GOOD, "ISUER": ISSUER, "LEWAY": 3},
                "unknown options: ISUER; did you mean ISSUER?, LEWAY; did you mean LEEWAY?",
            ),
            (
                {"AUDIENCE": AUDIENCE, "KEY_ENV": "GATEPASS_TEST_SECRET"},
                "ISSUER in the setting GATEPASS: issuer= is missing",
            ),
            (
                {"ISSUER": ISSUER, "KEY_ENV": "GATEPASS_TEST_SECRET"},
                "AUDIENCE in the setting GATEPASS: audience= is missing",
            ),
            ({"AUDIENCE": AUDIENCE}, "ISSUER in the setting GATEPASS: issuer= is missing"),
            (
                {"ISSUER": "accounts", "AUDIENCE": AUDIENCE, "PROFILE": "generic"},
                "KEYS in the setting GATEPASS: keys= is missing",
            ),
            ({"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": None}, "KEYS in the setting GATEPASS is None"),
            ({"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": []}, "a KeySet needs at least one key"),
            ({**GOOD, "PEM_FILE": "x"}, "more than one source of keys: KEY_ENV, PEM_FILE"),
            ({**GOOD, "JWKS_URI": "https://auth.example/jwks"}, "more than one source of keys: KEY_ENV, JWKS_URI"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URI": "http://auth.example/jwks"},
                "JWKS_URI in the setting GATEPASS: jwks_uri= must be an https",
            ),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URI": None},
                "JWKS_URI in the setting GATEPASS: jwks_uri= must be an https",
            ),
            ({**GOOD, "KEY_ENV": "GATEPASS_TEST_NOTHING"}, "GATEPASS_TEST_NOTHING is not set"),
            ({**GOOD, "ISSUER": "http://auth.example"}, "ISSUER in the setting GATEPASS: issuer= must be an https URL"),
            ({**GOOD, "ISSUER": "http://localhost:1"}, 'use "ALLOW": "HTTP_ON_LOOPBACK"'),
            (
                {**GOOD, "ISSUER": "http://auth.example", "ALLOW": "HTTP_ON_LOOPBACK"},
                "ISSUER in the setting GATEPASS: issuer= must be an https URL",
            ),
            *(
                ({**GOOD, "ALLOW": value}, "allow= takes HTTP_ON_LOOPBACK or NON_HTTPS_ISSUER")
                for value in (True, None, "HTTP", ["HTTP"], ["HTTP_ON_LOOPBACK", True], {"HTTP_ON_LOOPBACK": True})
            ),
            (
                {**GOOD, "PROFILE": "strict"},
                "PROFILE in the setting GATEPASS: a profile is one of 'rfc9068', 'generic', 'keycloak'",
            ),
            ({**GOOD, "ALGORITHMS": "HS256"}, "ALGORITHMS in the setting GATEPASS: algorithms="),
            ({**GOOD, "PUBLIC": ["/static/*"]}, "PUBLIC in the setting GATEPASS: public="),
            ({**GOOD, "PUBLIC": "/healthz"}, "PUBLIC in the setting GATEPASS: public="),
            ({**GOOD, "IS_REVOKED": "nowhere.at_all"}, "IS_REVOKED in the setting GATEPASS cannot be imported"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_FILE": "/nowhere"},
                "JWKS_FILE names, /nowhere, cannot be read",
            ),
            ({**GOOD, "RESOURCE_SERVER": f"{__name__}.server_of_the_project"}, "beside RESOURCE_SERVER only PUBLIC"),
            (f"{__name__}.something_else", "must name a ResourceServer"),
            ("nowhere.at_all", "the setting GATEPASS cannot be imported: nowhere.at_all (No module named 'nowhere')"),
            (
                {"RESOURCE_SERVER": "nowhere.at_all"},
                "RESOURCE_SERVER in the setting GATEPASS cannot be imported: nowhere.",
            ),
            (f"{BROKEN}.server", f"cannot be imported: {BROKEN}.server (No module named 'gatepass_of_nobody')"),
            ({**GOOD, "KEY": "x"}, "unknown options: KEY; did you mean KEYS or KEY_ENV?"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "PEM_FILE": "/no/key.pem"},
                "PEM_FILE names, /no/key.pem, cannot",
            ),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "PEM_FILE": SECRET},
                "the file that PEM_FILE names cannot be read",
            ),
        ],
    )
    def test_a_mistake_stops_the_start_and_shows_in_the_checks(self, setting, sentence):
        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
            with pytest.raises(ConfigurationError, match=re.escape(sentence)):
                WSGIHandler()
            found = checked()

        assert {message.level for message in found} == {ERROR}
        assert {message.id for message in found} <= {"gatepass.E001", "gatepass.E002", "gatepass.E003"}
        if not sentence.startswith("unknown"):
            assert any(sentence in message.msg for message in found)
        assert SECRET not in f"{found}"

    def test_unknown_options_are_named_one_by_one(self):
        with override_settings(GATEPASS={**GOOD, "ISUER": ISSUER, "LEWAY": 3}):
            assert [(message.id, message.msg) for message in checked()] == [
                ("gatepass.E002", "GATEPASS has an unknown option: ISUER; did you mean ISSUER?"),
                ("gatepass.E002", "GATEPASS has an unknown option: LEWAY; did you mean LEEWAY?"),
            ]

    @pytest.mark.parametrize("allow", ["HTTP_ON_LOOPBACK", ["HTTP_ON_LOOPBACK"], HTTP_ON_LOOPBACK, (HTTP_ON_LOOPBACK,)])
    def test_development_on_this_machine_is_allowed_by_name_or_value(self, allow):
        here = "http://localhost:8080/realms/shop"
        setting = {**GOOD, "ISSUER": here, "RESOURCE_METADATA": f"{here}/metadata", "ALLOW": allow}

        assert answer_to(setting, token_without_kid(iss=here)).status == 200
        assert f'resource_metadata="{here}/metadata"' in answer_to(setting).all("www-authenticate")[0]
        del setting["KEY_ENV"]
        for keys in ({"JWKS_URI": f"{here}/certs"}, {}):  # fetched from there, once a token needs one
            assert answer_to({**setting, **keys}).status == 401

    @pytest.mark.parametrize("allow", ["NON_HTTPS_ISSUER", NON_HTTPS_ISSUER])
    def test_an_issuer_that_is_a_name_is_allowed_by_name_or_value(self, allow):
        setting = {**GOOD, "ISSUER": "urn:example:auth", "ALLOW": allow}

        assert answer_to(setting, token_without_kid(iss="urn:example:auth")).status == 200
        assert answer_to(setting, token_without_kid(iss="urn:example:other")).status == 401

    def test_a_good_setting_passes_the_checks(self):
        with override_settings(GATEPASS=GOOD):
            assert checked() == []

    def test_a_forgotten_middleware_shows_in_the_checks(self):
        with override_settings(GATEPASS=GOOD, MIDDLEWARE=[]):
            assert [message.id for message in checked()] == ["gatepass.W001"]

    def test_a_guard_without_the_middleware_names_what_is_missing(self):
        with pytest.raises(ConfigurationError, match="AccessTokenMiddleware"):
            require_auth()(django_project.who)(RequestFactory().get("/"))


# --- over a socket


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def wsgi_wire():
    application = handler(WSGIHandler, resource_server(), middleware=[OURS])
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Wire(server.server_port)
        server.shutdown()
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture
def asgi_wire():
    application = handler(ASGIHandler, resource_server(), middleware=[OURS])
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", log_config=None, access_log=False))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield Wire(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(120)
    assert not thread.is_alive()


@pytest.mark.parametrize("wire", ["wsgi_wire", "asgi_wire"])
def test_the_contract_of_the_wire(wire, request):
    hold_the_wire(request.getfixturevalue(wire))


def bare(request):
    return django_project.text("secret")


require_auth(scopes=["orders:read"])(bare)
URLS_WITHOUT_THE_GUARD = (path("", include([path("orders", bare)])),)


def test_a_url_with_the_bare_view_of_a_guard_is_told_before_it_lets_anybody_in(start, caplog):
    assert start(urls=URLS_WITHOUT_THE_GUARD).send("GET", "/orders", bearer()).status == 500
    assert "the view bare was registered without it" in caplog.text


def choose_urls_without_the_guard(get_response):
    def middleware(request):
        if request.path_info == "/orders":
            request.urlconf = URLS_WITHOUT_THE_GUARD
        return get_response(request)

    return middleware


def test_the_bare_view_of_a_guard_is_told_in_a_urlconf_that_middleware_below_chooses(start, caplog):
    client = start(None, f"{__name__}.choose_urls_without_the_guard")

    assert client.send("GET", "/status").body == b"nobody"
    for _ in range(2):
        caplog.clear()
        assert client.send("GET", "/orders", bearer()).status == 500
        assert "the view bare was registered without it" in caplog.text


class Raising:
    """A converter that does more than convert."""

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


def test_what_a_converter_raises_tells_strangers_nothing(start):
    client = start(urls=URLS_THAT_RAISE)

    for value in ("missing", "refused", "key"):
        answer = client.send("GET", f"/{value}/x")
        assert (answer.status, answer.all("www-authenticate")) == (401, ['Bearer realm="api"']), value
    assert client.send("GET", "/missing/x", bearer()).status == 404
    assert client.send("GET", "/key/x", bearer()).status == 500
    assert client.send("GET", "/open").status == 200


def test_a_mark_on_a_method_of_a_class_opens_nothing(start):
    class Methods(View):
        @method_decorator(public)
        def get(self, request):
            return django_project.text("secret")

    client = start(urls=(path("methods", Methods.as_view()), path("heir", type("Heir", (Methods,), {}).as_view())))

    assert client.send("GET", "/methods").status == 401
    assert client.send("GET", "/heir").status == 401


def test_the_checks_tell_of_a_url_with_the_bare_view_of_a_guard():
    with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}, ROOT_URLCONF=URLS_WITHOUT_THE_GUARD):
        assert "gatepass.E004" in [message.id for message in checked()]


class Undecorated(View):
    @require_auth(scopes=["orders:read"])
    def get(self, request):
        return django_project.text("secret")


def test_a_guard_on_a_bare_method_says_how_methods_are_guarded(start, caplog):
    assert start(urls=(path("orders", Undecorated.as_view()),)).send("GET", "/orders", bearer()).status == 500
    assert 'put @method_decorator(require_auth(...), name="dispatch") on the class' in caplog.text


@pytest.mark.parametrize("view", [Orders, path("orders", bare), include([]), "orders"])
def test_a_guard_around_what_is_no_view_function_is_refused_at_once(view):
    with pytest.raises(ConfigurationError, match="method_decorator"):
        require_auth()(view)
