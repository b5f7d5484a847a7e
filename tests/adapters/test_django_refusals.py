"""A refusal raised anywhere in a Django project gets the response of the resource server, and streams are closed."""

import asyncio
import io
from typing import ClassVar

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, transaction
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.template.response import SimpleTemplateResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from django.views import View
from flask import Flask
from tests.adapters.contract import SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.clients import ASGIClient, WSGIClient
from tests.support.django import project as django_project
from tests.support.django.handlers import OURS, DjangoContract, handler, start, urlpatterns
from tests.support.refusals import refuse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gatepass.errors import InsufficientScope
from gatepass_flask import AccessTokenMiddleware as FlaskMiddleware

__all__ = ["start", "urlpatterns"]


def refused(request, *_):
    refuse("scope")


async def refused_async(request):
    refuse("scope")


class Refused(View):
    def get(self, request):
        refuse("scope")


class Late(SimpleTemplateResponse):
    """A response whose template is rendered after the view."""

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
    def test_it_gets_its_response_wherever_it_is_raised(self, start, kind, mode):
        DjangoContract().same(start(**mode).send("GET", f"/raises/{kind}", bearer()), SCOPE_IS_MISSING)

    @pytest.mark.parametrize("mode", [{}, {"DEBUG": True}, {"DEBUG_PROPAGATE_EXCEPTIONS": True}])
    @pytest.mark.parametrize("kind", ["refuse_before", "refuse_after", "refuse_either", "group_below"])
    @pytest.mark.parametrize("others", [0, 2])
    def test_middleware_below_may_raise_it_too(self, start, kind, mode, others):
        between = ["tests.support.django.project.do_nothing"] * others

        answer = start(None, *between, f"{__name__}.{kind}", **mode).send("GET", "/status", bearer())

        DjangoContract().same(answer, SCOPE_IS_MISSING)

    def test_middleware_below_may_handle_it_and_middleware_above_is_not_called(self, start):
        theirs = f"{__name__}.answers_exceptions"

        below = start(None, theirs).send("GET", "/raises/function", bearer())
        above = start(middleware=[theirs, OURS]).send("GET", "/raises/function", bearer())

        assert (below.status, below.body) == (403, b"theirs")
        DjangoContract().same(above, SCOPE_IS_MISSING)

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
    @pytest.mark.parametrize("kind", ["stream", "stream_empty", "stream_async"])
    def test_a_stream_is_refused_below_synchronous_middleware(self, start, kind):
        client = start(None, "tests.support.django.project.do_nothing")

        DjangoContract().same(client.send("GET", f"/raises/{kind}", bearer()), SCOPE_IS_MISSING)

    def test_a_500_of_other_middleware_is_unchanged(self, start):
        assert start(None, "tests.adapters.test_django_refusals.breaks").send("GET", "/status", bearer()).status == 500

    def test_the_django_test_client_gets_the_response(self, start):
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
    def test_below_another_framework_django_must_propagate_exceptions(self, start, hands_on, status):
        start(DEBUG_PROPAGATE_EXCEPTIONS=hands_on)
        wsgi = handler(WSGIHandler, None, middleware=[])
        below = DispatcherMiddleware(Flask("outside"), {"/shop": wsgi})
        outside = WSGIClient(FlaskMiddleware(below, resource_server()))

        assert outside.send("GET", "/shop/raises/function", bearer()).status == status

    def test_without_the_middleware_it_is_an_ordinary_exception(self, start):
        assert start(middleware=[]).send("GET", "/raises/function", bearer()).status == 500


# --- streams

MADE, CLOSED = [], []


class Parts:
    """A stream of a view that records how far it was read."""

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
def records_progress(get_response):
    """Middleware around ours that records how far a stream has run when the response reaches it."""

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
    def test_it_is_sent_completely_and_closed_once(self, start, kind):
        answer = start().send("GET", f"/stream/{kind}", bearer())

        assert answer.body == b"first second"
        assert len(CLOSED) == (1 if kind == "parts" else 0)

    @pytest.mark.parametrize(("kind", "made"), [("parts", WSGIHandler), ("parts_async", ASGIHandler)])
    def test_it_has_run_to_its_first_octet_when_the_response_is_returned(self, kind, made):
        client = WSGIClient if made is WSGIHandler else ASGIClient
        with override_settings(ROOT_URLCONF=__name__):
            app = handler(made, resource_server(), middleware=[f"{__name__}.records_progress", OURS])
            assert client(app).send("GET", f"/stream/{kind}", bearer()).body == b"first second"

        assert MADE == [b"", b"first ", "passed", b"second"]

    def test_a_refused_stream_is_closed(self, start):
        DjangoContract().same(start().send("GET", "/stream/refused", bearer()), SCOPE_IS_MISSING)
        assert CLOSED == [[]]

    def test_an_event_stream_under_asgi_does_not_wait_for_its_first_event(self):
        with override_settings(ROOT_URLCONF=__name__):
            app = handler(ASGIHandler, resource_server(), middleware=[f"{__name__}.records_progress", OURS])
            assert ASGIClient(app).send("GET", "/stream/events", bearer()).body == b"data: 1\n\n"

        assert MADE == ["passed", b"event"]

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
    def test_a_file_is_passed_to_the_server_unread(self, start):
        assert start().send("GET", "/stream/file", bearer()).body == b"a page"


def breaks(get_response):
    def middleware(request):
        raise RuntimeError("boom")

    return middleware
