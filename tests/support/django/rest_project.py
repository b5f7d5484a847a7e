"""The project of the contract with views of REST framework that authenticate themselves, without the middleware."""

import django
from django.http import Http404, HttpResponse
from django.urls import path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from tests.support.refusals import refuse
from tests.support.request_barrier import wait_for_all_requests

from gatepass_django.rest_framework import AccessTokenAuthentication, requires

django.setup()


def replace(exception, context):
    status = 404 if isinstance(exception, Http404) else getattr(exception, "status_code", None)
    return status and HttpResponse("replaced by the application", status=status)


def text(body):
    return HttpResponse(body, content_type="text/plain")


def who(request):
    return "anonymous" if request.auth is None else request.user.pk


class Who(APIView):
    authentication_classes = (AccessTokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return text(who(request))


class Slow(Who):
    def get(self, request):
        before = who(request)
        wait_for_all_requests()
        return text(f"{before} {who(request)}")


class Echo(Who):
    def get(self, request):
        return text("")

    def post(self, request):
        return text(request.body)


class Boom(Who):
    def get(self, request):
        raise RuntimeError("boom")


class BoomBy(Who):
    def get(self, request, kind):
        refuse(kind)


class Gone(Who):
    def get(self, request):
        raise Http404


class Json(Who):
    def get(self, request):
        return Response({"for": who(request)})


urlpatterns = [
    path("open", Who.as_view(authentication_classes=[], permission_classes=[AllowAny])),
    path("healthz", Who.as_view(authentication_classes=[], permission_classes=[AllowAny])),
    path("protected", Who.as_view()),
    path("orders", Who.as_view(permission_classes=[requires(scopes=["orders:read"])])),
    path("admin", Who.as_view(permission_classes=[requires(any_roles=["admin"])])),
    path("hidden", Who.as_view(permission_classes=[requires(scopes=["hidden:read"], denial="not_found")])),
    path("maybe", Who.as_view(permission_classes=[AllowAny])),
    path("slow", Slow.as_view()),
    path("echo", Echo.as_view()),
    path("boom", Boom.as_view()),
    path("boom/<kind>", BoomBy.as_view()),
    path("gone", Gone.as_view()),
    path("json", Json.as_view()),
]
