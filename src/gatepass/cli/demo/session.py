"""Staying signed in, as the demo tells it: two logins, one that ends in a theft and one in a logout.

Tokens of one login are used at all four applications, which share a file: each request goes to the next.
"""

from __future__ import annotations

from gatepass.cli.demo.account import PASSWORD
from gatepass.cli.demo.cases import Case
from gatepass.cli.demo.resource import USERNAME

__all__ = ["LOGIN", "SESSION"]

_FORM = f"username={USERNAME}&password={PASSWORD.replace(' ', '+')}"
_REFRESH = "grant_type=refresh_token&refresh_token="
_PAIR = '{"access_token":"...","token_type":"Bearer","expires_in":900,"refresh_token":"...","scope":"orders:read"}'
_SPENT = '{"error":"invalid_grant","error_description":"The refresh token is not valid"}'
_BASE = 'Bearer realm="api"'
_INVALID = _BASE + ', error="invalid_token", error_description="The access token '
_ORDERS = f"orders of {USERNAME}"

LOGIN = Case("log in", (), 200, path="/login", form=_FORM, body=_PAIR, keeps="first")

SESSION = (
    Case(
        "log in with a wrong password",
        (),
        401,
        _BASE,
        path="/login",
        form=f"username={USERNAME}&password=coffee",
        body='{"error":"invalid_grant","error_description":"Incorrect username or password"}',
    ),
    LOGIN,
    Case("the access token", ("Bearer {first_access}",), 200, body=_ORDERS),
    Case("the refresh token in its place", ("Bearer {first_refresh}",), 401, _INVALID + 'is malformed"'),
    Case("refresh", (), 200, path="/token", form=_REFRESH + "{first_refresh}", body=_PAIR, keeps="next"),
    Case("the new access token", ("Bearer {next_access}",), 200, body=_ORDERS),
    Case("refresh with the spent token", (), 400, path="/token", form=_REFRESH + "{first_refresh}", body=_SPENT),
    Case("refresh with its successor", (), 400, path="/token", form=_REFRESH + "{next_refresh}", body=_SPENT),
    Case("the new access token, after that", ("Bearer {next_access}",), 401, _INVALID + 'was revoked"'),
    Case("log in again", (), 200, path="/login", form=_FORM, body=_PAIR, keeps="again"),
    Case(
        "refresh with the token in the URL",
        (),
        400,
        path=f"/token?{_REFRESH}{{again_refresh}}",
        form="",
        body='{"error":"invalid_request","error_description":"The request is malformed"}',
    ),
    Case(
        "a password at the token endpoint",
        (),
        400,
        path="/token",
        form=f"grant_type=password&{_FORM}",
        body='{"error":"unsupported_grant_type","error_description":"The grant type is not supported"}',
    ),
    Case("log out: revoke the refresh token", (), 200, path="/revoke", form="token={again_refresh}", body="{}"),
    Case("refresh, signed out", (), 400, path="/token", form=_REFRESH + "{again_refresh}", body=_SPENT),
    Case("the access token, signed out", ("Bearer {again_access}",), 401, _INVALID + 'was revoked"'),
)
