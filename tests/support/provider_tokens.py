"""Payloads in the formats that providers document. Every name and number in them is made up."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.tokens import NOW

from gatepass import Profile

TIMES = {"iat": NOW, "exp": NOW + 900}


@dataclass(frozen=True)
class Provider:
    """One provider: its access tokens, the expected results of reading them, and its other tokens."""

    profile: Profile
    audience: str
    access: dict[str, Any]
    subject: str
    client: str
    scopes: set[str]
    roles: set[str]
    id_token: dict[str, Any]
    typ: str | None = "JWT"
    groups: set[str] = field(default_factory=set)
    own: dict[str, Any] = field(default_factory=dict)
    """Changes that turn the access token into one of the client credentials grant."""
    other_audience: dict[str, Any] = field(default_factory=lambda: {"aud": "https://other.example"})


# https://www.keycloak.org/docs/latest/server_admin/ (audience support, protocol mappers, service accounts), and
# https://phasetwo.io/tutorials/getting-started/your-first-token/ for the tokens of a running server.
_KEYCLOAK = {
    **TIMES, "iss": "https://id.example/realms/shop", "sub": "5f0c1b7e-2f4e-4c5e-9a53-0d7a4a7d3c11", "azp": "shop-web",
    "sid": "c0a5d7f2-8f5a-4d5c-b1de-6a4a8d6b2f10", "jti": "onrtac:1b2c3d4e",
}  # fmt: skip
KEYCLOAK = Provider(
    profile=Profile.KEYCLOAK,
    audience="orders-api",
    access={
        **_KEYCLOAK, "aud": ["orders-api", "account"], "typ": "Bearer", "acr": "1", "scope": "openid orders:read",
        "realm_access": {"roles": ["clerk", "offline_access"]},
        "resource_access": {"orders-api": {"roles": ["approver"]}, "account": {"roles": ["view-profile"]}},
        "preferred_username": "anna",
    },
    subject="5f0c1b7e-2f4e-4c5e-9a53-0d7a4a7d3c11",
    client="shop-web",
    scopes={"openid", "orders:read"},
    roles={"clerk", "offline_access"},
    own={"client_id": "shop-web", "clientHost": "192.0.2.1", "preferred_username": "service-account-shop-web"},
    id_token={**_KEYCLOAK, "aud": "shop-web", "typ": "ID", "auth_time": NOW, "at_hash": "l4pQyTn0xLQ1Q0nX8m3vRg"},
)  # fmt: skip
KEYCLOAK_REFRESH = {
    **_KEYCLOAK, "aud": "https://id.example/realms/shop", "typ": "Refresh", "scope": "openid orders:read",
}  # fmt: skip

# https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles and
# https://auth0.com/docs/secure/tokens/id-tokens/id-token-structure
_AUTH0 = {**TIMES, "iss": "https://shop.eu.auth0.example/", "sub": "auth0|6553da60a54af58e29490001"}
AUTH0 = Provider(
    profile=Profile.AUTH0,
    audience="https://orders.example/api",
    access={
        **_AUTH0, "aud": ["https://orders.example/api", "https://shop.eu.auth0.example/userinfo"],
        "azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQ00", "scope": "openid read:orders",
        "permissions": ["read:orders", "write:orders"],
    },
    subject="auth0|6553da60a54af58e29490001",
    client="K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQ00",
    scopes={"openid", "read:orders"},
    roles=set(),
    own={"sub": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQ00@clients", "gty": "client-credentials"},
    id_token={**_AUTH0, "aud": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQ00", "name": "Anna", "nonce": "n-1"},
)  # fmt: skip
AUTH0_RFC9068 = {
    **_AUTH0, "aud": "https://orders.example/api", "client_id": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQ00",
    "jti": "73WakrfVbNJBaAmhQtEe00", "scope": "read:orders",
}  # fmt: skip

# https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference, claims-validation and
# id-token-claims-reference beside it
_TENANT, _API, _APP = (
    "aaaabbbb-0000-cccc-1111-dddd2222eeee",
    "00001111-aaaa-2222-bbbb-3333cccc4444",
    "11112222-bbbb-3333-cccc-4444dddd5555",
)
_ENTRA = {
    **TIMES, "nbf": NOW, "iss": f"https://login.microsoftonline.example/{_TENANT}/v2.0", "tid": _TENANT, "ver": "2.0",
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "22223333-cccc-4444-dddd-5555eeee6666",
}  # fmt: skip
ENTRA_ID = Provider(
    profile=Profile.ENTRA_ID,
    audience=_API,
    access={
        **_ENTRA, "aud": _API, "azp": _APP, "azpacr": "0", "scp": "Orders.Read Orders.Write", "roles": ["Clerk"],
        "groups": ["33334444-dddd-5555-eeee-6666ffff7777"],
    },
    subject="AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    client=_APP,
    scopes={"Orders.Read", "Orders.Write"},
    roles={"Clerk"},
    groups={"33334444-dddd-5555-eeee-6666ffff7777"},
    own={"sub": "22223333-cccc-4444-dddd-5555eeee6666", "idtyp": "app"},
    id_token={**_ENTRA, "aud": _API, "name": "Anna", "nonce": "12345", "roles": ["Clerk"]},  # one app for page and API
)  # fmt: skip
ENTRA_ID_V1 = {
    **{name: value for name, value in _ENTRA.items() if name not in ("iss", "ver")},
    "iss": f"https://sts.windows.example/{_TENANT}/", "ver": "1.0", "aud": "api://orders", "appid": _APP,
    "appidacr": "1", "scp": "Orders.Read",
}  # fmt: skip

# https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html and
# amazon-cognito-user-pools-using-the-id-token.html beside it
_COGNITO = {
    **TIMES, "iss": "https://cognito-idp.eu-central-1.amazonaws.example/eu-central-1_EXAMPLE", "auth_time": NOW,
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["clerks"], "origin_jti": "o-1", "jti": "j-1",
}  # fmt: skip
COGNITO = Provider(
    profile=Profile.COGNITO,
    typ=None,
    audience="1example23456789",
    access={
        **_COGNITO, "client_id": "1example23456789", "token_use": "access", "username": "anna", "version": 2,
        "scope": "openid orders/read",
    },
    subject="aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    client="1example23456789",
    scopes={"openid", "orders/read"},
    roles={"clerks"},
    groups={"clerks"},
    own={"sub": "1example23456789"},
    id_token={
        **_COGNITO, "aud": "1example23456789", "token_use": "id", "cognito:username": "anna", "at_hash": "x0Q1Q0nX8m3v",
    },
    other_audience={"client_id": "2example98765432"},
)  # fmt: skip

# https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/ (access token and ID token payload)
_OKTA = {**TIMES, "iss": "https://shop.okta.example/oauth2/default", "ver": 1, "auth_time": NOW}
OKTA = Provider(
    profile=Profile.OKTA,
    typ=None,
    audience="api://default",
    access={
        **_OKTA, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://default", "sub": "anna@shop.example",
        "cid": "nmdP1fcyvdVO11AL7ECm", "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "orders:read"],
        "groups": ["Everyone", "Clerks"],
    },
    subject="anna@shop.example",
    client="nmdP1fcyvdVO11AL7ECm",
    scopes={"openid", "orders:read"},
    roles=set(),
    groups={"Everyone", "Clerks"},
    own={"sub": "nmdP1fcyvdVO11AL7ECm"},
    id_token={
        **_OKTA, "jti": "ID.4eAWJOCMB3SX8XewDfVR", "aud": "nmdP1fcyvdVO11AL7ECm", "sub": "00ujmkLgagxeRrAg20g3",
        "amr": ["pwd"], "idp": "00ok1u7AsAkrwdZL3z0g", "at_hash": "cpqKfdQA5eH891Ff5oJr_Q",
    },
)  # fmt: skip

# https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions and, for users who sign in,
# https://developers.google.com/identity/openid-connect/openid-connect
_GOOGLE = {**TIMES, "iss": "https://accounts.google.com", "email_verified": True}
_WEB_CLIENT = "1234987819200.apps.googleusercontent.example"
GOOGLE = Provider(
    profile=Profile.GOOGLE,
    audience="https://orders.example",
    access={
        **_GOOGLE, "aud": "https://orders.example", "azp": "113774264463038321964", "sub": "113774264463038321964",
        "email": "push@shop.iam.gserviceaccount.example",
    },
    subject="113774264463038321964",
    client="113774264463038321964",
    scopes=set(),
    roles=set(),
    own={"sub": "113774264463038321964"},
    id_token={
        **_GOOGLE, "aud": _WEB_CLIENT, "azp": _WEB_CLIENT, "sub": "10769150350006150715113082367",
        "email": "anna@shop.example", "nonce": "0394852-3190485-2490358", "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
    },
)  # fmt: skip

PROVIDERS = {
    "keycloak": KEYCLOAK,
    "auth0": AUTH0,
    "entra-id": ENTRA_ID,
    "cognito": COGNITO,
    "okta": OKTA,
    "google": GOOGLE,
}
