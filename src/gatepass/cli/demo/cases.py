"""The demo's requests, the response that each must get, and the tokens that they carry.

The expected responses are written out, not computed by the code under comparison. `CASES` send one access token each.
`SESSION` follows logins whose requests go to the applications in turn, because the four share one database. One login
ends by the reuse of a refresh token, the next by a logout. Then a user with two devices logs out one of them, is
demoted and promoted, and logs out everywhere. `DemoTokens` issues valid tokens, and builds by hand those that no
issuer makes.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gatepass import Key, TokenIssuer
from gatepass.cli.demo.resource import AUDIENCE, CLIENT, ISSUER, MAX_TTL, PASSWORD, USERNAME
from gatepass.jose.compact import encode_base64url, parse_compact

__all__ = ["CASES", "LOGIN", "SESSION", "Case", "DemoTokens"]

_BASE = 'Bearer realm="api"'
_INVALID = _BASE + ', error="invalid_token", error_description="The access token '


@dataclass(frozen=True, slots=True)
class Case:
    """A request to *path* with these `Authorization` lines, and the status, challenge and body that it must get.

    With *form* it is a POST, otherwise a GET, unless *method* is another one. A name in braces stands for the token of
    that name. *keeps* names the pair of tokens in the response: "first" stores them as `first_access` and
    `first_refresh`, and replaces them with dots in the body. *lists* are the labels of sessions in the response:
    "phone" stores the id of that session as `phone_session`, and replaces it too. Without *body* the four bodies need
    only be identical.
    """

    name: str
    authorization: tuple[str, ...]
    status: int
    challenge: str | None = None
    body: str | None = None
    path: str = "/orders"
    form: str | None = None
    method: str = ""
    keeps: str = ""
    lists: tuple[str, ...] = ()


CASES = (
    Case("a valid token", ("Bearer {valid}",), 200, body="orders of anna"),
    Case("no credentials, public path", (), 200, body="well", path="/healthz"),
    Case("no credentials", (), 401, _BASE),
    Case("user name and password", ("Basic YW5uYTpzZWNyZXQ=",), 401, _BASE),
    Case("the token in the URL", (), 401, _BASE, path="/orders?access_token={valid}"),
    Case(
        "a malformed header",
        ("Bearer {valid} extra",),
        400,
        _BASE + ', error="invalid_request", error_description="The Authorization header is malformed"',
    ),
    Case(
        "two Authorization headers",
        ("Bearer {valid}", "Bearer {altered}"),
        400,
        _BASE + ', error="invalid_request", error_description="More than one access token was sent"',
    ),
    Case("not a token at all", ("Bearer garbled",), 401, _INVALID + 'is malformed"'),
    Case("20,000 characters", ("Bearer {endless}",), 401, _INVALID + 'is malformed"'),
    Case("expired yesterday", ("Bearer {expired}",), 401, _INVALID + 'expired"'),
    Case("for another audience", ("Bearer {foreign_audience}",), 401, _INVALID + 'is not intended for this resource"'),
    Case("from another issuer", ("Bearer {foreign_issuer}",), 401, _INVALID + 'issuer is not accepted"'),
    Case("an ID token", ("Bearer {id_token}",), 401, _INVALID + 'type is not accepted"'),
    Case("an altered subject", ("Bearer {altered}",), 401, _INVALID + 'signature is invalid"'),
    Case("signed with another key of that kid", ("Bearer {namesake_key}",), 401, _INVALID + 'signature is invalid"'),
    Case("signed with an unknown key", ("Bearer {strange_key}",), 401, _INVALID + 'was signed with an unknown key"'),
    Case("alg none, unsigned", ("Bearer {unsigned}",), 401, _INVALID + 'algorithm is not accepted"'),
    Case("HMAC with the public key", ("Bearer {confused}",), 401, _INVALID + 'algorithm is not accepted"'),
    Case(
        "a scope is missing",
        ("Bearer {unscoped}",),
        403,
        _BASE
        + ', error="insufficient_scope", error_description="The access token lacks a required scope"'
        + ', scope="orders:read"',
    ),
)

_FORM = f"username={USERNAME}&password={PASSWORD.replace(' ', '+')}"
_REFRESH = "grant_type=refresh_token&refresh_token="
_NARROW = '{"access_token":"...","token_type":"Bearer","expires_in":900,"refresh_token":"...","scope":"orders:read"}'
_PAIR = _NARROW.replace("orders:read", "orders:read orders:write")
_SPENT = '{"error":"invalid_grant","error_description":"The refresh token is not valid"}'
_ORDERS = f"orders of {USERNAME}"

LOGIN = Case("log in", (), 200, path="/login", form=_FORM, body=_PAIR, keeps="first")

_LOGINS = (
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
    Case("refresh, logged out", (), 400, path="/token", form=_REFRESH + "{again_refresh}", body=_SPENT),
    Case("the access token, logged out", ("Bearer {again_access}",), 401, _INVALID + 'was revoked"'),
)

_DEVICE = _FORM.replace(USERNAME, "{user}") + "&device="
_LAPTOP = '{"family_id":"...","label":"laptop","current":true}'
_PHONE = '{"family_id":"...","label":"phone","current":false}'

_DEVICES = (
    Case("log in on a phone", (), 200, path="/login", form=_DEVICE + "phone", body=_PAIR, keeps="phone"),
    Case("log in on a laptop", (), 200, path="/login", form=_DEVICE + "laptop", body=_PAIR, keeps="laptop"),
    Case(
        "list the sessions",
        ("Bearer {laptop_access}",),
        200,
        path="/sessions",
        body=f'{{"sessions":[{_LAPTOP},{_PHONE}]}}',
        lists=("laptop", "phone"),
    ),
    Case("log out the phone", ("Bearer {laptop_access}",), 204, path="/sessions/{phone_session}", method="DELETE"),
    Case("refresh on the phone", (), 400, path="/token", form=_REFRESH + "{phone_refresh}", body=_SPENT),
    Case("the access token of the phone", ("Bearer {phone_access}",), 401, _INVALID + 'was revoked"'),
    Case(
        "list the sessions again",
        ("Bearer {laptop_access}",),
        200,
        path="/sessions",
        body=f'{{"sessions":[{_LAPTOP}]}}',
        lists=("laptop",),
    ),
    Case("another user logs in", (), 200, path="/login", form=_FORM, body=_PAIR, keeps="other"),
    Case(
        "log out the laptop of the first user",
        ("Bearer {other_access}",),
        404,
        path="/sessions/{laptop_session}",
        method="DELETE",
        body='{"error":"not_found"}',
    ),
    Case("demote the user", ("Bearer {laptop_access}",), 204, path="/role/clerk", form=""),
    Case("refresh, demoted", (), 200, path="/token", form=_REFRESH + "{laptop_refresh}", body=_NARROW, keeps="clerk"),
    Case("promote the user", ("Bearer {clerk_access}",), 204, path="/role/manager", form=""),
    Case("refresh, promoted", (), 200, path="/token", form=_REFRESH + "{clerk_refresh}", body=_PAIR, keeps="manager"),
    Case("log out everywhere", ("Bearer {manager_access}",), 204, path="/logout-everywhere", form=""),
    Case("refresh, logged out everywhere", (), 400, path="/token", form=_REFRESH + "{manager_refresh}", body=_SPENT),
    Case("the access token, logged out everywhere", ("Bearer {manager_access}",), 401, _INVALID + 'was revoked"'),
    Case("the access token of the other user", ("Bearer {other_access}",), 200, body=_ORDERS),
    Case("log out the other user", (), 200, path="/revoke", form="token={other_refresh}", body="{}"),
)

SESSION = (*_LOGINS, *_DEVICES)


@dataclass(frozen=True, slots=True)
class DemoTokens:
    """The demo's tokens, signed with one private key, under the names that the requests use."""

    key: Key = field(default_factory=Key.generate)

    def by_name(self) -> dict[str, str]:
        """Return every token by its name."""
        valid = self._issued(scope="orders:read")
        namesake = Key.from_jwk({**Key.generate().to_private_jwk(), "kid": self.key.kid})
        return {
            "valid": valid,
            "unscoped": self._issued(scope="profile"),
            "expired": self._issued(clock=lambda: time.time() - 86_400),
            "foreign_audience": self._issued(audience="https://billing.example"),
            "foreign_issuer": self._issued(issuer="https://evil.example"),
            "strange_key": self._issued(keys=Key.generate()),
            "namesake_key": self._issued(keys=namesake),
            "id_token": self._by_hand(self._header(typ="JWT")),
            "unsigned": self._by_hand(self._header(alg="none"), sign=lambda _: b""),
            "confused": self._by_hand(self._header(alg="HS256"), sign=self._hmac_with_public_key),
            "altered": _with_subject(valid, "admin"),
            "endless": "A" * 20_000,
        }

    def _issued(self, *, scope: str = "orders:read", **settings: Any) -> str:
        given: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "keys": self.key, "access_ttl": MAX_TTL}
        return TokenIssuer(**{**given, **settings}, client_id=CLIENT).issue("anna", scope=scope)

    def _header(self, **changes: str) -> dict[str, Any]:
        return {"alg": self.key.algorithm, "typ": "at+jwt", "kid": self.key.kid, **changes}

    def _by_hand(self, header: dict[str, Any], sign: Callable[[bytes], bytes] | None = None) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "client_id": CLIENT, "scope": "orders:read"}
        parts = (header, {**claims, "iat": now, "exp": now + 3_600, "jti": "1"})
        signing_input = b".".join(encode_base64url(json.dumps(part).encode()) for part in parts)
        return (signing_input + b"." + encode_base64url((sign or self.key.sign)(signing_input))).decode()

    def _hmac_with_public_key(self, signing_input: bytes) -> bytes:
        """Sign with the public key as an HMAC secret: any client could, if a key had two algorithms."""
        return hmac.digest(self.key.to_pem().encode(), signing_input, "sha256")


def _with_subject(token: str, subject: str) -> str:
    """Return *token* with another payload and the old signature."""
    unverified = parse_compact(token)
    altered = encode_base64url(json.dumps({**unverified.claims, "sub": subject}).encode()).decode()
    header, _, signature = token.split(".")
    return f"{header}.{altered}.{signature}"
