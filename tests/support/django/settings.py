"""The settings of the contract's Django project. Tests override `GATEPASS` and `MIDDLEWARE`."""

from tests.support.django.databases import databases

SECRET_KEY = "for these tests only"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.support.django.project"
INSTALLED_APPS = ["gatepass_django", "gatepass_django.refresh"]
DATABASES = databases()
MIDDLEWARE = ["gatepass_django.AccessTokenMiddleware"]
USE_TZ = True
LOGGING_CONFIG = None
REST_FRAMEWORK = {
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["gatepass_django.rest_framework.AccessTokenAuthentication"],
    "EXCEPTION_HANDLER": "tests.support.django.rest_project.replace",
}
