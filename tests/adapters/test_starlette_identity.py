"""The identity of a request in Starlette: the user, its scopes, and the current token."""

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.support.adapter_tokens import bearer, token
from tests.support.clients import ASGIClient
from tests.support.starlette_project import client

from gatepass import ConfigurationError
from gatepass_starlette import AccessTokenUser, current_access_token, optional_auth, public


async def profile(request):
    return PlainTextResponse(f"{request.user.identity} {request.user.display_name} {' '.join(request.auth.scopes)}")


def test_request_auth_and_request_user_are_set():
    answer = client([Route("/", profile)]).send("GET", "/", bearer(token(scope="b a")))

    assert answer.body == b"anna anna a b"


def test_the_user_of_a_request_carries_the_token():
    seen = []

    async def view(request):
        seen.append((request.user, current_access_token(request)))
        return PlainTextResponse("")

    client([Route("/", view)]).send("GET", "/", bearer())

    ((user, found),) = seen
    assert isinstance(user, AccessTokenUser)
    assert user.is_authenticated
    assert user.access_token is found


def test_the_current_token_is_none_if_anonymous_and_an_error_without_the_middleware():
    @optional_auth
    async def view(request):
        return PlainTextResponse(str(current_access_token(request)))

    assert client([Route("/", view)]).send("GET", "/").body == b"None"
    answer = ASGIClient(Starlette(routes=[Route("/", view)])).send("GET", "/", bearer())
    assert isinstance(answer.crash, ConfigurationError)


def test_the_requires_decorator_of_starlette_works():
    @requires("orders:read", status_code=418)
    async def view(request):
        return PlainTextResponse("seen")

    requests_ = client([Route("/", view)])

    assert requests_.send("GET", "/", bearer(token(scope="orders:read"))).body == b"seen"
    assert requests_.send("GET", "/", bearer()).status == 418


def test_an_anonymous_user_on_a_public_route_is_unauthenticated_for_starlette():
    @public
    @requires("authenticated", status_code=418)
    async def view(request):
        return PlainTextResponse("seen")

    assert client([Route("/", view)]).send("GET", "/").status == 418
