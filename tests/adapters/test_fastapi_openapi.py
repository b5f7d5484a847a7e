"""The OpenAPI document of FastAPI: the bearer scheme, its scopes, and the refusals of a router."""

import json
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer, OAuth2PasswordBearer
from tests.support.adapter_tokens import bearer, resource_server
from tests.support.clients import ASGIClient
from tests.support.fastapi_project import plain

from gatepass import AccessToken, ConfigurationError
from gatepass_fastapi import AccessTokenBearer, OptionalAccessTokenBearer


def shown() -> list[str]:
    """Return the scopes as FastAPI shows them for its own `HTTPBearer`: older versions show them only for OAuth2."""
    operation = documented(HTTPBearer())["paths"]["/0"]["get"]
    scopes: list[str] = operation["security"][0]["HTTPBearer"]
    assert scopes == ["orders:read"] or tuple(map(int, fastapi.__version__.split(".")[:2])) < (0, 135)
    return scopes


def documented(*bearers: Any) -> dict[str, Any]:
    app = FastAPI()
    for number, bearer_token in enumerate(bearers):
        app.get(f"/{number}", dependencies=[Security(bearer_token, scopes=["orders:read"])])(lambda: None)
    return app.openapi()


def test_openapi_shows_a_bearer_of_jwt_and_the_scopes():
    schema = documented(AccessTokenBearer(resource_server()))

    assert schema["components"]["securitySchemes"] == {
        "AccessTokenBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert schema["paths"]["/0"]["get"]["security"] == [{"AccessTokenBearer": shown()}]
    assert "parameters" not in schema["paths"]["/0"]["get"]


def test_openapi_shows_the_given_scheme_for_the_authorize_button():
    scheme = OAuth2PasswordBearer(tokenUrl="token", scopes={"orders:read": "Read orders"})

    schema = documented(AccessTokenBearer(resource_server(), openapi=scheme))

    assert schema["components"]["securitySchemes"] == {
        "OAuth2PasswordBearer": {
            "type": "oauth2",
            "flows": {"password": {"scopes": {"orders:read": "Read orders"}, "tokenUrl": "token"}},
        }
    }
    assert schema["paths"]["/0"]["get"]["security"] == [{"OAuth2PasswordBearer": shown()}]


@pytest.mark.parametrize("given", ["token", "", 5, OAuth2PasswordBearer, HTTPBearer().model])
def test_an_invalid_openapi_scheme_is_refused_at_definition(given):
    with pytest.raises(ConfigurationError, match=r"fastapi\.security, such as OAuth2PasswordBearer"):
        AccessTokenBearer(resource_server(), openapi=given)


@pytest.mark.parametrize("given", [5, 5.0, True])
def test_a_rule_of_the_wrong_type_is_refused_with_a_message(given):
    with pytest.raises(ConfigurationError, match="scopes= takes"):
        AccessTokenBearer(resource_server(), scopes=given)


@pytest.mark.parametrize(
    ("error_format", "types"),
    [("problem", ["application/problem+json"]), ("oauth", ["application/json"]), ("empty", [])],
)
def test_a_router_may_list_the_refusals_in_openapi(error_format, types):
    bearer_token = AccessTokenBearer(resource_server(error_format=error_format), any_roles=["admin"])
    router = APIRouter(responses=bearer_token.responses)

    @router.get("/orders", responses={404: {"description": "theirs"}})
    async def orders(token: Annotated[AccessToken, Security(bearer_token)]) -> str:
        return token.subject

    app = plain()
    app.include_router(router)
    made, listed = ASGIClient(app), app.openapi()["paths"]["/orders"]["get"]["responses"]

    assert set(listed) == {"200", "400", "401", "403", "404", "503"}
    for headers in ([], bearer("a b"), bearer()):
        answer = made.send("GET", "/orders", headers)
        described = listed[str(answer.status)]
        assert list(described.get("content", {})) == answer.all("content-type") == types
        assert [name.lower() for name in described["headers"]] == ["www-authenticate"]
        if types:
            schema = described["content"][types[0]]["schema"]
            assert set(schema.get("required", ())) <= set(json.loads(answer.body)) <= set(schema["properties"])
    assert list(listed["503"]["headers"]) == ["Retry-After"]


def test_openapi_shows_name_and_description():
    server = resource_server()

    schema = documented(
        AccessTokenBearer(server, scheme_name="Staff", description="From the staff's issuer"),
        OptionalAccessTokenBearer(server, any_roles=["admin"]),
    )

    assert schema["components"]["securitySchemes"] == {
        "Staff": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From the staff's issuer"},
        "AccessTokenBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
