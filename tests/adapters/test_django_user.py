"""The user of a token in Django and REST framework, which has a name and no permissions: in views, pages and tests."""

import asyncio

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.context_processors import PermWrapper
from django.core.cache.backends.locmem import LocMemCache
from django.db import models
from django.test import RequestFactory, override_settings
from django.test.utils import isolate_apps
from rest_framework import renderers
from rest_framework.permissions import (
    BasePermission,
    DjangoModelPermissions,
    DjangoModelPermissionsOrAnonReadOnly,
    DjangoObjectPermissions,
    IsAdminUser,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from tests.adapters.contract import NO_CREDENTIALS, SCOPE_IS_MISSING
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.django import rest_project as project
from tests.support.django.rest_views import OURS, Raises, at, start

from gatepass_django.refresh.models import TokenFamily
from gatepass_django.rest_framework import AccessTokenUser, requires

__all__ = ["start"]


class NamedModel(BasePermission):
    """A permission that reads the attributes of the user that Django's templates and decorators read."""

    def has_permission(self, request, view):
        user = request.user
        perms = PermWrapper(user)
        return (
            perms["orders"]["add_order"],
            "orders.add_order" in perms,
            user.has_perm("orders.add_order"),
            user.has_perms(["orders.add_order"]),
            user.has_module_perms("orders"),
            user.is_staff,
            user.is_superuser,
        ) == (False,) * 7


class Models(project.Json):
    queryset = TokenFamily.objects.none()

    def post(self, request):
        return self.get(request)


@pytest.mark.parametrize("middleware", [[], [OURS]], ids=["alone", "behind the middleware"])
class TestPermissionClasses:
    @pytest.mark.parametrize(
        ("permission", "method", "status"),
        [
            (IsAuthenticated, "GET", 200),
            (IsAdminUser, "GET", 403),
            (IsAuthenticatedOrReadOnly, "POST", 200),
            (DjangoModelPermissions, "GET", 200),
            (DjangoModelPermissions, "POST", 403),
            (DjangoModelPermissionsOrAnonReadOnly, "GET", 200),
            (DjangoModelPermissionsOrAnonReadOnly, "POST", 403),
            (DjangoObjectPermissions, "GET", 200),
            (DjangoObjectPermissions, "POST", 403),
            (IsAdminUser | IsAuthenticated, "GET", 200),
            (~IsAdminUser, "GET", 200),
            (NamedModel, "GET", 200),
        ],
    )
    def test_a_token_user_has_no_permissions(self, start, middleware, permission, method, status):
        client = start(resource_server(), urls=at(Models, permission_classes=[permission]), middleware=middleware)

        assert client.send(method, "/x", bearer()).status == status

    def test_an_object_may_be_read_without_a_permission(self, start, middleware):
        class One(Models):
            permission_classes = (DjangoObjectPermissions,)

            def get(self, request):
                self.check_object_permissions(request, object())
                return super().get(request)

        client = start(resource_server(), urls=at(One), middleware=middleware)

        assert client.send("GET", "/x", bearer()).status == 200

    def test_an_object_that_needs_a_permission_is_404(self, start, middleware):
        class Hidden(DjangoObjectPermissions):
            perms_map = {**DjangoObjectPermissions.perms_map, "GET": ["%(app_label)s.view_%(model_name)s"]}  # noqa: RUF012

            def has_permission(self, request, view):
                return True

        class One(Models):
            permission_classes = (Hidden,)

            def get(self, request):
                self.check_object_permissions(request, object())
                return super().get(request)

        client = start(resource_server(), urls=at(One), middleware=middleware)

        assert client.send("GET", "/x", bearer()).status == 404

    def test_throttles_distinguish_users(self, start, middleware):
        class Twice(UserRateThrottle):
            rate = "1/day"

            def allow_request(self, request, view):
                self.cache = CACHE
                return super().allow_request(request, view)

        CACHE.clear()
        urls = at(project.Json, throttle_classes=[AnonRateThrottle, Twice])
        client = start(resource_server(), urls=urls, middleware=middleware)

        statuses = [client.send("GET", "/x", bearer(token(name))).status for name in ("anna", "anna", "berta")]
        assert statuses == [200, 429, 200]


CACHE = LocMemCache("gatepass tests", {})


class TestUser:
    @pytest.fixture
    def user(self):
        server = resource_server()
        return AccessTokenUser(server.authenticate([bearer()[0][1]]))

    def test_its_name_is_the_subject_and_it_has_no_permissions(self, user):
        assert (user.username, user.get_username()) == ("anna", "anna")
        assert (user.is_staff, user.is_superuser) == (False, False)
        assert (user.get_all_permissions(), user.get_group_permissions(), user.get_user_permissions()) == (
            set(),
            set(),
            set(),
        )
        assert user.has_perms([])
        with pytest.raises(ValueError, match="iterable"):
            user.has_perms("orders.add_order")

    def test_the_coroutine_methods_return_the_same(self, user):
        async def said():
            return [
                await user.ahas_perm("orders.add_order"),
                await user.ahas_perms(["orders.add_order"], user),
                await user.ahas_module_perms("orders"),
                await user.aget_all_permissions(),
                await user.aget_group_permissions(user),
                await user.aget_user_permissions(),
            ]

        assert asyncio.run(said()) == [False, False, False, set(), set(), set()]

    def test_it_has_no_groups(self, user):
        with override_settings(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"]):
            assert list(user.groups.all()) == []
            assert not user.user_permissions.exists()

    @pytest.mark.parametrize("do", ["save", "delete"])
    def test_it_cannot_be_saved(self, user, do):
        with pytest.raises(NotImplementedError, match=r"request\.user\.pk"):
            getattr(user, do)()
        with pytest.raises(NotImplementedError, match="no row"):
            user.set_password("x")
        with pytest.raises(NotImplementedError, match="no row"):
            user.check_password("x")

    @isolate_apps("gatepass_django.refresh")
    def test_no_foreign_key_can_refer_to_it(self, user):
        class Person(models.Model):  # noqa: DJ008 - never displayed
            class Meta:
                app_label = "bills"

        class Bill(models.Model):  # noqa: DJ008
            owner = models.ForeignKey(Person, on_delete=models.CASCADE)

            class Meta:
                app_label = "bills"

        for make in (lambda: Bill(owner=user), lambda: setattr(Bill(), "owner", user)):
            with pytest.raises(ValueError, match="must be a") as caught:
                make()
            assert "anna" not in str(caught.value)

    @pytest.mark.parametrize("renderer", ["BrowsableAPIRenderer", "AdminRenderer"])
    def test_the_html_renderers_of_rest_framework_accept_it(self, renderer):
        class Shown(project.Json):
            renderer_classes = (getattr(renderers, renderer), renderers.JSONRenderer)
            permission_classes = (requires(scopes=["orders:read"]),)

            def post(self, request):
                return self.get(request)

        settings = {
            "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"],
            "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
            "GATEPASS": {"RESOURCE_SERVER": resource_server()},
            "ROOT_URLCONF": at(Shown),
            "STATIC_URL": "/static/",
        }
        with override_settings(**settings):
            request = RequestFactory().get(
                "/x", headers={**dict(bearer(token(scope="orders:read"))), "Accept": "text/html"}
            )
            response = Shown.as_view()(request)
            page = response.render().content.decode()

        assert response.status_code == 200
        assert "token user" in page


def sets_auser(get_response):
    """Set `request.auser` as Django's `AuthenticationMiddleware` does, which needs a table of users."""

    async def auser():
        return "anonymous"

    def middleware(request):
        request.auser = auser
        return get_response(request)

    return middleware


@pytest.mark.parametrize("middleware", [[], [OURS]], ids=["alone", "behind the middleware"])
def test_the_awaited_user_of_django_is_the_user_of_the_token(start, middleware):
    class Awaits(project.Who):
        def get(self, request):
            user = async_to_sync(request._request.auser)()
            return project.text(f"{user is request._request.user is request.user} {user.pk}")

    client = start(resource_server(), urls=at(Awaits), middleware=[f"{__name__}.sets_auser", *middleware])

    assert client.send("GET", "/x", bearer()).body == b"True anna"


class TestForcedAuthentication:
    """Forced authentication of REST framework, with which the tests of a project need no credentials."""

    @pytest.fixture(autouse=True)
    def _project(self, start):
        self.server = resource_server({"is_revoked": lambda _: None}, realm="shop")
        self.urls = at(project.Json, permission_classes=[requires(scopes=["orders:read"])])
        start(self.server, urls=self.urls)
        with override_settings(GATEPASS={"RESOURCE_SERVER": self.server}, ROOT_URLCONF=self.urls, MIDDLEWARE=[]):
            yield

    @staticmethod
    def verified(**claims):
        return resource_server().authenticate([bearer(token(**claims))[0][1]])

    def test_a_verified_token_is_used_unchanged(self):
        client, good = APIClient(), self.verified(scope="orders:read")
        client.force_authenticate(AccessTokenUser(good), token=good)

        answer = client.get("/x")

        assert (answer.status_code, answer.json()) == (200, {"for": "anna"})

    def test_a_token_without_the_scope_is_refused_as_in_service(self):
        client, other = APIClient(), self.verified(scope="orders:write")
        client.force_authenticate(AccessTokenUser(other), token=other)

        answer = client.get("/x")

        assert (answer.status_code, answer.content.decode()) == (403, SCOPE_IS_MISSING[2])
        assert answer.headers["WWW-Authenticate"] == SCOPE_IS_MISSING[1].replace('"api"', '"shop"')

    @pytest.mark.parametrize("held", [None, "text", object()])
    def test_without_a_verified_token_the_request_has_none(self, held):
        client = APIClient()
        client.force_authenticate(AccessTokenUser(self.verified(scope="orders:read")), token=held)

        answer = client.get("/x")

        assert (answer.status_code, answer.content.decode()) == (401, NO_CREDENTIALS[2])

    def test_a_view_without_a_scope_accepts_a_forced_user(self):
        client = APIClient()
        client.force_authenticate(AccessTokenUser(self.verified()))
        at(project.Json, permission_classes=[IsAuthenticated])

        assert client.get("/x").status_code == 200

    def test_a_request_of_the_factory_works_too(self):
        good, view = (
            self.verified(scope="orders:read"),
            project.Json.as_view(permission_classes=[requires(scopes=["orders:read"])]),
        )
        forced, bare = APIRequestFactory().get("/x"), APIRequestFactory().get("/x")
        force_authenticate(forced, AccessTokenUser(good), token=good)

        assert (view(forced).status_code, view(bare).status_code) == (200, 401)

    def test_a_refusal_raised_by_the_view_gets_its_response(self):
        good, client = self.verified(), APIClient()
        client.force_authenticate(AccessTokenUser(good), token=good)
        at(Raises, permission_classes=[requires()])

        assert client.get("/x").status_code == 403
