"""URLs without marks at the paths of the contract."""

from django.urls import path
from tests.support.django import project as django_project


def subject_of_request(request):
    return django_project.who(request)


urlpatterns = [path(name, subject_of_request) for name in ("status", "healthz", "orders")]
