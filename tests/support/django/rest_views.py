"""The project of the REST framework tests: one view at a time, at /x."""

from contextlib import ExitStack

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from tests.support.clients import WSGIClient
from tests.support.django import rest_project as project
from tests.support.django.settings import REST_FRAMEWORK
from tests.support.refusals import refuse

OURS = "gatepass_django.AccessTokenMiddleware"


urlpatterns = []


@pytest.fixture
def start():
    """Return a function that starts a project; its settings apply until the test ends."""
    with ExitStack() as stack:

        def started(server, *, urls="tests.support.django.rest_project", middleware=(), **rest):
            settings = {"GATEPASS": {"RESOURCE_SERVER": server}, "MIDDLEWARE": list(middleware), "ROOT_URLCONF": urls}
            stack.enter_context(override_settings(REST_FRAMEWORK={**REST_FRAMEWORK, **rest}, **settings))
            return WSGIClient(WSGIHandler())

        yield started


def at(view, **options):
    """Route /x to one view with these options."""
    urlpatterns[:] = [path("x", view.as_view(**options))]
    return __name__


class Order(serializers.Serializer):
    number = serializers.IntegerField()

    def validate_number(self, number):
        refuse("scope")


class Open(project.Json):
    serializer_class = Order
    permission_classes = (AllowAny,)


class Raises(project.Who):
    def get(self, request):
        refuse("scope")

    def put(self, request):
        Order(data={"number": 7}).is_valid(raise_exception=True)
