"""The profiles of real providers: what tells their access tokens from their other tokens, and where each claim is.

Modelled on what their documentation showed in November 2026; docs/providers.md names the pages and the traps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gatepass.tokens.claim_names import ClaimNames
from gatepass.tokens.profile import Profile

__all__ = ["PROVIDERS"]

_BASICS = frozenset(("iss", "exp", "iat", "sub"))

Profile.KEYCLOAK = replace(
    Profile.GENERIC,
    name="keycloak",
    types=frozenset(("jwt", "at+jwt")),  # at+jwt is a switch of the client
    required=_BASICS | {"aud", "azp", "jti", "typ"},
    # Versions before 24 put the login's nonce into access tokens too; the label below is what tells them apart.
    prohibited=Profile.GENERIC.prohibited - {"nonce"},
    own_kind=("typ", frozenset(("Bearer",))),
    shared_audiences=frozenset(("account",)),
    names=ClaimNames(client=("azp",), roles=(("realm_access", "roles"),), own="client_id"),
)

Profile.AUTH0 = replace(
    Profile.GENERIC,
    name="auth0",
    types=frozenset(("jwt", "at+jwt")),
    required=_BASICS | {"aud"},
    one_of=(frozenset(("azp", "client_id")),),
    names=ClaimNames(client=("azp", "client_id"), own_suffix="@clients"),
)

Profile.ENTRA_ID = replace(
    Profile.GENERIC,
    name="entra-id",
    types=frozenset(("jwt",)),
    required=_BASICS | {"aud"},
    # ID tokens name no client. A token with neither scopes nor roles is one that any app of the tenant can get.
    one_of=(frozenset(("azp", "appid")), frozenset(("scp", "roles"))),
    names=ClaimNames(client=("azp", "appid"), scope="scp", own_equals="oid"),
)

Profile.COGNITO = replace(
    Profile.GENERIC,
    name="cognito",
    types=frozenset((None,)),
    required=_BASICS | {"client_id", "token_use"},  # jti comes only with token revocation switched on
    own_kind=("token_use", frozenset(("access",))),
    names=ClaimNames(audience=("aud", "client_id"), roles=(("cognito:groups",),), groups=(("cognito:groups",),)),
)

Profile.OKTA = replace(
    Profile.GENERIC,
    name="okta",  # the org authorization server's own tokens have another typ, and are for Okta alone
    required=_BASICS | {"aud", "cid", "jti", "scp"},
    names=ClaimNames(client=("cid",), scope="scp"),
)

Profile.GOOGLE = replace(
    Profile.GENERIC,
    name="google",
    types=frozenset(("jwt",)),
    required=_BASICS | {"aud", "azp"},
    names=ClaimNames(client=("azp",)),
)

PROVIDERS: Final = (
    Profile.KEYCLOAK,
    Profile.AUTH0,
    Profile.ENTRA_ID,
    Profile.COGNITO,
    Profile.OKTA,
    Profile.GOOGLE,
)
