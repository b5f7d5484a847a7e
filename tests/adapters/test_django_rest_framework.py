"""REST framework returns the responses of the contract, with any exception handler of its own."""

import logging
import pickle
from typing import ClassVar

import pytest
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from rest_framework import renderers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission, IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet
from tests.adapters.contract import EXPIRED, NO_CREDENTIALS, SCOPE_IS_MISSING, AdapterContract
from tests.adapters.cookie_contract import CookieContract
from tests.support.adapter_tokens import bearer, resource_server, token
from tests.support.django import rest_project as project
from tests.support.django.rest_views import OURS, Raises, at, start, urlpatterns
from tests.support.refusals import refuse

from gatepass import ConfigurationError, optional_auth, public
from gatepass.errors import InsufficientScope
from gatepass_django import require_auth
from gatepass_django.rest_framework import AccessTokenAuthentication, AccessTokenUser, requires

__all__ = ["start"]


class TestRESTFramework(CookieContract, AdapterContract):
    """Each view authenticates on its own, without the middleware."""

    joins_challenges = True
    reads_slowly = "Content-Type"

    @pytest.fixture(autouse=True)
    def _start(self, start):
        self.start = start

    def build(self, server, *, cors=False):
        return self.start(server)

    def test_a_coroutine_hook_is_awaited_or_refused_at_start_up(self):
        async def is_revoked(_):
            return False

        client = self.build(resource_server({"is_revoked": is_revoked}))

        assert client.send("GET", "/protected", bearer()).status == 500


class TestMarks:
    def test_a_public_view_does_not_make_its_subclasses_public(self, start):
        @method_decorator(public, name="dispatch")
        class Open(project.Who):
            authentication_classes: ClassVar = []
            permission_classes: ClassVar = [AllowAny]

        class Heir(Open): ...

        class Things(ViewSet):
            dispatch = Open.dispatch
            authentication_classes: ClassVar = []
            permission_classes: ClassVar = [AllowAny]

            def list(self, request):
                return project.text("listed")

        class MoreThings(Things): ...

        urlpatterns[:] = [
            path("open", Open.as_view()),
            path("heir", Heir.as_view()),
            path("itself", public(Heir.as_view())),
            path("things", public(Things.as_view({"get": "list"}))),
            path("more", MoreThings.as_view({"get": "list"})),
        ]
        client = start(resource_server(), urls=__name__, middleware=[OURS])

        for target, body in (("/open", b"anonymous"), ("/itself", b"anonymous"), ("/things", b"listed")):
            assert client.send("GET", target).body == body
        for target in ("/heir", "/more"):
            assert client.send("GET", target).status == 401

    def test_a_mark_on_an_action_has_no_effect(self, start):
        class Things(ViewSet):
            permission_classes: ClassVar = [AllowAny]

            @public
            def list(self, request):
                return project.text("listed")

        urlpatterns[:] = [
            path("things", Things.as_view({"get": "list"})),
            path("more", type("MoreThings", (Things,), {}).as_view({"get": "list"})),
        ]
        client = start(resource_server(), urls=__name__, middleware=[OURS])

        for target in ("/things", "/more"):
            assert client.send("GET", target).status == 401

    def test_the_error_for_a_requirement_without_names_shows_the_syntax(self):
        with pytest.raises(ConfigurationError, match="rules have names"):
            requires("orders:read")


class TestAuthentication:
    def test_the_user_represents_the_token_and_has_no_database_row(self):
        request = Request(
            RequestFactory().get("/", headers=dict(bearer())), authenticators=[AccessTokenAuthentication()]
        )

        with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}):
            user, auth = request.user, request.auth

        assert isinstance(user, AccessTokenUser)
        assert (user.pk, user.id, user.is_authenticated, user.is_anonymous, user.is_active) == (
            "anna",
            "anna",
            True,
            False,
            True,
        )
        assert user.token is auth
        assert "anna" not in f"{user} {user!r}"
        assert user == AccessTokenUser(auth)
        assert len({user, AccessTokenUser(auth)}) == 1
        assert user != "anna"

    def test_a_response_of_the_view_is_rendered_as_usual(self, start):
        answer = start(resource_server()).send("GET", "/json", bearer())

        assert (answer.status, answer.body) == (200, b'{"for":"anna"}')

    @pytest.mark.parametrize("middleware", [[], [OURS]])
    def test_the_token_is_verified_once(self, start, middleware):
        calls = []

        def is_revoked(verified):
            calls.append(verified.subject)
            return False

        client = start(resource_server({"is_revoked": is_revoked}), middleware=middleware)

        assert client.send("GET", "/orders", bearer(token(scope="orders:read"))).body == b"anna"
        assert calls == ["anna"]

    def test_behind_the_middleware_every_view_is_protected(self, start):
        client = start(resource_server(), middleware=[OURS])

        assert client.send("GET", "/orders", bearer()).status == 403
        assert client.send("GET", "/protected").status == 401
        assert client.send("GET", "/open").status == 401

    def test_behind_the_middleware_a_public_view_stays_public(self, start):
        class Open(project.Who):
            permission_classes = (AllowAny,)

        urlpatterns[:] = [path("x", public(Open.as_view())), path("y", Open.as_view())]
        client = start(resource_server(), urls=__name__, middleware=[OURS])

        assert client.send("GET", "/x", bearer()).body == b"anonymous"
        assert client.send("GET", "/y").status == 401

    def test_credentials_of_another_authentication_class_are_left_to_it(self, start):
        class Other(BaseAuthentication):
            def authenticate(self, request):
                if request.META.get("HTTP_AUTHORIZATION") == "Other fails":
                    raise AuthenticationFailed("theirs")
                if request.META.get("HTTP_AUTHORIZATION") == "Other key":
                    return AccessTokenUser, "other"
                return None

            def authenticate_header(self, request):
                return 'Other realm="other"'

        def client(*classes):
            urls = at(project.Json, authentication_classes=classes, permission_classes=[IsAuthenticated])
            return start(resource_server(), urls=urls, EXCEPTION_HANDLER="rest_framework.views.exception_handler")

        first = client(AccessTokenAuthentication, Other)
        failed = first.send("GET", "/x", [("Authorization", "Other fails")])
        assert (failed.status, failed.body) == (401, b'{"detail":"theirs"}')
        assert failed.all("www-authenticate") == ['Bearer realm="api"']
        AdapterContract.same(TestRESTFramework, first.send("GET", "/x"), NO_CREDENTIALS)

        second = client(Other, AccessTokenAuthentication)
        without = second.send("GET", "/x")
        assert without.status == 401
        assert without.all("www-authenticate") == ['Other realm="other"']
        AdapterContract.same(TestRESTFramework, second.send("GET", "/x", bearer(token(iat=1, exp=2))), EXPIRED)

    def test_a_scope_without_an_access_token_is_missing_credentials(self, start):
        class Session(BaseAuthentication):
            def authenticate(self, request):
                return AccessTokenUser, None

        permission = requires(scopes=["orders:read"])
        urls = at(
            project.Who, authentication_classes=[Session, AccessTokenAuthentication], permission_classes=[permission]
        )
        good = bearer(token(scope="orders:read"))

        for middleware in ([OURS], []):
            client = start(resource_server(), urls=urls, middleware=middleware)
            AdapterContract.same(TestRESTFramework, client.send("GET", "/x", good), NO_CREDENTIALS)

    def test_a_request_without_a_view_raises_the_api_exception(self):
        request = Request(
            RequestFactory().get("/", headers=dict(bearer("abc"))), authenticators=[AccessTokenAuthentication()]
        )

        with override_settings(GATEPASS={"RESOURCE_SERVER": resource_server()}), pytest.raises(Exception) as caught:  # noqa: PT011
            request.user  # noqa: B018 - the property authenticates

        assert (caught.value.status_code, caught.value.get_codes()) == (401, "malformed_token")
        assert str(caught.value) == "The access token is malformed"


class Never(BasePermission):
    message = "theirs"

    def has_permission(self, request, view):
        return False


class TestPermissions:
    def send(self, start, permission, *headers, **rest):
        urls = at(project.Who, permission_classes=[*permission])
        return start(resource_server(), urls=urls, **rest).send("GET", "/x", *headers)

    def test_permissions_can_be_combined_with_or(self, start):
        either = requires(scopes=["orders:read"]) | requires(any_roles=["admin"])

        assert self.send(start, [either], bearer(token(roles=["admin"]))).body == b"anna"
        assert self.send(start, [either], bearer(token(scope="orders:read"))).body == b"anna"
        refused = self.send(start, [either], bearer())
        assert refused.status == 403
        assert refused.all("www-authenticate") == ['Bearer realm="api"']

    def test_permissions_combined_with_and_report_the_missing_one(self, start):
        both = requires(scopes=["orders:read"]) & requires(any_roles=["admin"])

        refused = self.send(start, [both], bearer(token(roles=["admin"])))

        AdapterContract.same(TestRESTFramework, refused, SCOPE_IS_MISSING)

    def test_a_refusal_of_another_permission_is_unchanged(self, start):
        answer = self.send(start, [requires(), Never], bearer())

        assert (answer.status, answer.body) == (403, b"replaced by the application")

    def test_a_refusal_of_the_view_itself_is_unchanged(self, start):
        class Quota(project.Json):
            permission_classes = (requires(scopes=["admin"]) | IsAuthenticated,)

            def get(self, request):
                raise PermissionDenied("quota exceeded")

        client = start(resource_server(), urls=at(Quota), EXCEPTION_HANDLER="rest_framework.views.exception_handler")
        answer = client.send("GET", "/x", bearer())

        assert (answer.status, answer.body) == (403, b'{"detail":"quota exceeded"}')
        assert answer.all("www-authenticate") == []

    def test_a_permission_without_the_authentication_class_is_an_error(self, start, caplog):
        urls = at(project.Who, authentication_classes=[], permission_classes=[requires()])

        answer = start(resource_server(), urls=urls).send("GET", "/x", bearer())

        assert answer.status == 500
        assert "AccessTokenAuthentication" in caplog.text

    def test_an_invalid_rule_fails_when_the_view_is_defined(self):
        with pytest.raises(ConfigurationError, match="scopes"):
            requires(scopes=["a b"])

    def test_a_denied_request_is_logged_once(self, start, caplog):
        caplog.set_level(logging.INFO, "gatepass")

        self.send(start, [requires(scopes=["orders:read"])], bearer())
        self.send(start, [IsAuthenticated])

        reasons = [record.getMessage().split()[1] for record in caplog.records if record.name == "gatepass"]
        assert reasons == ["insufficient_scope", "missing_credentials"]


@pytest.mark.parametrize("middleware", [[], [OURS]])
@pytest.mark.parametrize("brought", [bearer(), []])
def test_the_error_for_a_permission_without_the_authentication_class_names_it(start, caplog, middleware, brought):
    """Behind the middleware too: request.auth and request.user would not have the token that the permission checks."""
    urls = at(project.Who, permission_classes=[requires()], authentication_classes=[])

    answer = start(resource_server(), urls=urls, middleware=middleware).send("GET", "/x", brought)

    assert answer.status == (500 if brought or not middleware else 401)
    assert not brought or "needs AccessTokenAuthentication among the view's authentication classes" in caplog.text


# --- refusals that the project raises


def general(exception, context):
    """Handle every exception, as the handler of a project may."""
    return HttpResponse("something broke", status=500)


class AsksTheServer(BasePermission):
    def has_permission(self, request, view):
        refuse("scope")


class RaisesBefore(project.Who):
    permission_classes = (AsksTheServer,)


class RaisesBetween(project.Who):
    permission_classes = (requires() & AsksTheServer,)


class RaisesAfter(project.Who):
    def finalize_response(self, *args, **kwargs):
        refuse("scope")


class RaisesInAGroup(project.Who):
    def get(self, request):
        raise ExceptionGroup("tasks", [InsufficientScope(("orders:read",))])


class Refuses(renderers.JSONRenderer):
    def render(self, *args, **kwargs):
        refuse("scope")


class RaisesWhenRendered(project.Json):
    renderer_classes = (Refuses,)


class PassesOn(Raises):
    """A view that uses the response of its exception handler."""

    def handle_exception(self, exc):
        response = super().handle_exception(exc)
        assert response.exception
        return response


@pytest.mark.parametrize("handler", [f"{__name__}.general", "rest_framework.views.exception_handler"])
@pytest.mark.parametrize("middleware", [[], [OURS]], ids=["alone", "behind the middleware"])
class TestRaisedRefusals:
    @pytest.mark.parametrize(
        ("method", "view"),
        [
            ("GET", Raises),
            ("PUT", Raises),
            ("GET", PassesOn),
            ("GET", RaisesBefore),
            ("GET", RaisesBetween),
            ("GET", RaisesAfter),
            ("GET", RaisesInAGroup),
            ("GET", RaisesWhenRendered),
        ],
    )
    def test_it_gets_its_response_wherever_it_is_raised(self, start, middleware, handler, method, view):
        client = start(resource_server(), urls=at(view), middleware=middleware, EXCEPTION_HANDLER=handler)

        answer = client.send(method, "/x", bearer())

        AdapterContract.same(TestRESTFramework, answer, SCOPE_IS_MISSING)

    @pytest.mark.parametrize("kind", [RuntimeError, ExceptionGroup])
    def test_other_exceptions_after_the_view_are_unchanged(self, start, middleware, handler, kind):
        def fail(*_, **__):
            raise kind("boom", [RuntimeError(), InsufficientScope(())]) if kind is ExceptionGroup else kind("boom")

        class Breaks(project.Json):
            finalize_response = fail

        class BreaksWhenRendered(project.Json):
            renderer_classes = (type("Broken", (renderers.JSONRenderer,), {"render": fail}),)

        for view in (Breaks, BreaksWhenRendered):
            assert (
                start(resource_server(), urls=at(view), middleware=middleware).send("GET", "/x", bearer()).status == 500
            )

    def test_a_rendered_response_can_be_pickled_for_a_cache(self, start, middleware, handler):
        kept = []

        class Kept(project.Json):
            def dispatch(self, *args, **kwargs):
                response = super().dispatch(*args, **kwargs)
                response.add_post_render_callback(lambda rendered: kept.append(pickle.dumps(rendered)))
                return response

        answer = start(resource_server(), urls=at(Kept), middleware=middleware).send("GET", "/x", bearer())

        assert pickle.loads(kept[0]).content == answer.body  # noqa: S301 - our own

    @pytest.mark.parametrize("fails", [None, "view", "after"])
    def test_the_transaction_of_the_request_is_rolled_back(self, start, monkeypatch, middleware, handler, fails):
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
        committed = []

        class Writes(project.Json):
            def get(self, request):
                transaction.on_commit(lambda: committed.append(True))
                return refuse("scope") if fails == "view" else super().get(request)

            def finalize_response(self, *args, **kwargs):
                return refuse("scope") if fails == "after" else super().finalize_response(*args, **kwargs)

        client = start(resource_server(), urls=at(Writes), middleware=middleware, EXCEPTION_HANDLER=handler)

        assert client.send("GET", "/x", bearer()).status == (403 if fails else 200)
        assert committed == ([] if fails else [True])


# --- Vary


@pytest.mark.parametrize(
    ("permissions", "is_open"),
    [
        ([AllowAny], True),
        ([], True),
        ([IsAuthenticatedOrReadOnly], True),
        ([~IsAdminUser], True),
        ([IsAuthenticated | AllowAny], True),
        ([IsAuthenticated], False),
        ([AllowAny, requires()], False),
        ([AllowAny & IsAuthenticated], False),
        ([IsAuthenticated | requires()], False),
    ],
)
@pytest.mark.parametrize("brought", [[], bearer()], ids=["anonymous", "authenticated"])
def test_a_view_that_allows_anonymous_requests_has_vary(start, permissions, is_open, brought):
    client = start(resource_server(), urls=at(project.Json, permission_classes=permissions))

    answer = client.send("GET", "/x", brought)

    assert answer.status == (200 if is_open or brought else 401)
    assert answer.all("vary") == (["Authorization"] if is_open else [])


def test_a_custom_permission_may_allow_anonymous_requests(start):
    class OrSunday(IsAuthenticated):
        def has_permission(self, request, view):
            return True

    client = start(resource_server(), urls=at(project.Json, permission_classes=[OrSunday]))

    assert client.send("GET", "/x").all("vary") == ["Authorization"]


def test_behind_the_middleware_marks_decide_which_views_have_vary(start):
    urlpatterns[:] = [path("x", optional_auth(project.Json.as_view(permission_classes=[AllowAny])))]
    urlpatterns.append(path("y", project.Json.as_view(permission_classes=[AllowAny])))
    client = start(resource_server(), urls=__name__, middleware=[OURS])

    assert client.send("GET", "/x").all("vary") == ["Authorization"]
    assert client.send("GET", "/y", bearer()).all("vary") == []


def test_the_error_for_a_permission_that_was_not_called_shows_the_syntax(start, caplog):
    answer = start(resource_server(), urls=at(project.Who, permission_classes=[requires])).send("GET", "/x", bearer())

    assert answer.status == 500
    assert "permission_classes = [requires(" in caplog.text


def test_the_error_for_a_guard_on_a_method_of_an_api_view_names_the_permission(start, caplog):
    class Guarded(project.Who):
        @require_auth(scopes=["orders:read"])
        def get(self, request):
            return project.text("secret")

    assert start(resource_server(), urls=at(Guarded), middleware=[OURS]).send("GET", "/x", bearer()).status == 500
    assert "permission_classes = [requires(" in caplog.text
