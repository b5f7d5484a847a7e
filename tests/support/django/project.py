"""The URLs and the views of the contract, in Django."""

import django
from django.http import Http404, HttpResponse
from django.urls import path
from tests.support.refusals import refuse
from tests.support.request_barrier import wait_for_all_requests, wait_for_all_requests_async

from gatepass_django import current_access_token, optional_auth, public, require_auth

django.setup()


def text(body):
    return HttpResponse(body, content_type="text/plain")


def who(request):
    token = current_access_token(request)
    return text("anonymous" if token is None else token.subject)


async def who_async(request):
    return who(request)


async def slow_async(request):
    before = request.access_token.subject
    await wait_for_all_requests_async()
    return text(f"{before} {request.access_token.subject}")


def slow(request):
    before = request.access_token.subject
    wait_for_all_requests()
    return text(f"{before} {request.access_token.subject}")


def opened(request):
    return who(request)


def maybe(request):
    return who(request)


async def maybe_async(request):
    return who(request)


def echo(request):
    assert request.method == "POST"
    request.POST.get("a")
    return text(request.body)


def boom(request):
    raise RuntimeError("boom")


def boom_by(request, kind):
    refuse(kind)


def gone(request):
    raise Http404


def replaced(status):
    return lambda request, exception=None: HttpResponse("replaced by the application", status=status)


handler400, handler403, handler404 = replaced(400), replaced(403), replaced(404)

urlpatterns = [
    path("open", public(opened)),
    path("healthz", who),
    path("protected", who),
    path("any", who),
    path("orders", require_auth(scopes=["orders:read"])(who)),
    path("admin", require_auth(any_roles=["admin"])(who)),
    path("hidden", require_auth(scopes=["hidden:read"], denial="not_found")(who)),
    path("maybe", optional_auth(maybe)),
    path("slow", slow),
    path("echo", echo),
    path("boom", boom),
    path("boom/<kind>", boom_by),
    path("gone", gone),
]


def answer_preflights(get_response):
    """Answer preflights, as a synchronous CORS middleware does."""
    return lambda request: HttpResponse(status=204) if request.method == "OPTIONS" else get_response(request)


def do_nothing(get_response):
    """Pass the request on, as a middleware that is only synchronous."""
    return lambda request: get_response(request)  # noqa: PLW0108 - a function of its own, and no coroutine
