"""The demo's requests, and what each must be answered: spelled out, and not asked of the code that answers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CASES", "Case"]

_BASE = 'Bearer realm="api"'
_INVALID = _BASE + ', error="invalid_token", error_description="The access token '


@dataclass(frozen=True, slots=True)
class Case:
    """A request to *path* with these `Authorization` lines, and the status, challenge and body that it must get.

    It is a POST of *form*, if there is one. A name in braces stands for the token of that name. *keeps* names the pair
    that the answer brings: "first" makes it `first_access` and `first_refresh`, and leaves dots in the body. Where no
    body is given, the four need only agree on it.
    """

    name: str
    authorization: tuple[str, ...]
    status: int
    challenge: str | None = None
    body: str | None = None
    path: str = "/orders"
    form: str | None = None
    keeps: str = ""


CASES = (
    Case("a good token", ("Bearer {good}",), 200, body="orders of anna"),
    Case("no credentials, public path", (), 200, body="well", path="/healthz"),
    Case("no credentials", (), 401, _BASE),
    Case("user name and password", ("Basic YW5uYTpzZWNyZXQ=",), 401, _BASE),
    Case("the token in the URL", (), 401, _BASE, path="/orders?access_token={good}"),
    Case(
        "a garbled header",
        ("Bearer {good} extra",),
        400,
        _BASE + ', error="invalid_request", error_description="The Authorization header is malformed"',
    ),
    Case(
        "two Authorization headers",
        ("Bearer {good}", "Bearer {altered}"),
        400,
        _BASE + ', error="invalid_request", error_description="More than one access token was sent"',
    ),
    Case("not a token at all", ("Bearer garbled",), 401, _INVALID + 'is malformed"'),
    Case("20,000 characters", ("Bearer {endless}",), 401, _INVALID + 'is malformed"'),
    Case("expired yesterday", ("Bearer {expired}",), 401, _INVALID + 'expired"'),
    Case("for another API", ("Bearer {foreign_audience}",), 401, _INVALID + 'is not intended for this resource"'),
    Case("from another issuer", ("Bearer {foreign_issuer}",), 401, _INVALID + 'issuer is not accepted"'),
    Case("an ID token", ("Bearer {id_token}",), 401, _INVALID + 'type is not accepted"'),
    Case("an altered subject", ("Bearer {altered}",), 401, _INVALID + 'signature is invalid"'),
    Case("signed with a namesake key", ("Bearer {namesake_key}",), 401, _INVALID + 'signature is invalid"'),
    Case("signed with a stranger's key", ("Bearer {strange_key}",), 401, _INVALID + 'was signed with an unknown key"'),
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
