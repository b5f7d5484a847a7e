"""URLs without a single mark, where the paths of others lead to a view that nobody opened."""

from django.urls import path
from tests.adapters import django_project

urlpatterns = [path(name, django_project.who) for name in ("status", "healthz", "orders")]
