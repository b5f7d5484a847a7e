"""A typed Django program, with Django REST framework. Type checkers read it; it never runs."""

from typing import assert_type

from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gatepass import AccessToken
from gatepass_django import AccessTokenRequest, current_access_token, optional_auth, public, require_auth
from gatepass_django.rest_framework import AccessTokenAuthentication, AccessTokenUser, requires


@require_auth(scopes=["orders:read"])
def orders(request: AccessTokenRequest) -> JsonResponse:
    assert_type(request.access_token, AccessToken)
    return JsonResponse({"for": request.access_token.subject})


@require_auth(any_groups=["staff"], denial="not_found")
async def report(request: AccessTokenRequest) -> HttpResponse:
    return HttpResponse(request.access_token.subject)


@optional_auth
def greeting(request: HttpRequest) -> HttpResponse:
    token = current_access_token(request)
    assert_type(token, AccessToken | None)
    return HttpResponse(request.path if token is None else token.subject)


@public
def terms(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.path)


class Orders(APIView):
    authentication_classes = [AccessTokenAuthentication]  # noqa: RUF012 - as Django REST framework documents it
    permission_classes = [requires(scopes=["orders:read"])]  # noqa: RUF012

    def get(self, request: Request) -> Response:
        return Response({"for": str(request.user)})


def forced(token: AccessToken) -> AccessTokenUser:
    user = AccessTokenUser(token)
    assert_type(user.pk, str)
    assert_type(user.has_perm("orders.add_order"), bool)
    return user
