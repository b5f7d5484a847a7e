"""The Django project of the contract with coroutine functions as views."""

from asgiref.sync import markcoroutinefunction
from django.http import HttpResponse
from django.urls import path
from tests.support.django import project

from gatepass_django import optional_auth, public, require_auth


async def opened(request):
    return project.who(request)


async def boom_by(request, kind):
    project.boom_by(request, kind)


handler400, handler403, handler404 = project.handler400, project.handler403, project.handler404

urlpatterns = [
    path("open", public(opened)),
    path("maybe", optional_auth(project.maybe_async)),
    path("slow", project.slow_async),
    path("healthz", project.who_async),
    path("protected", project.who_async),
    path("any", project.who_async),
    path("orders", require_auth(scopes=["orders:read"])(project.who_async)),
    path("admin", require_auth(any_roles=["admin"])(project.who_async)),
    path("hidden", require_auth(scopes=["hidden:read"], denial="not_found")(project.who_async)),
    path("echo", project.echo),
    path("boom", project.boom),
    path("boom/<kind>", boom_by),
    path("gone", project.gone),
]


def answer_preflights(get_response):
    """Answer preflights, as an asynchronous CORS middleware does."""

    async def middleware(request):
        return HttpResponse(status=204) if request.method == "OPTIONS" else await get_response(request)

    return markcoroutinefunction(middleware)


answer_preflights.async_capable = True
answer_preflights.sync_capable = False
