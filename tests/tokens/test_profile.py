"""Each kind of JWT is accepted as that kind only (V-21, D6). All of these are signed by the right key for the right
audience.
"""

import pytest
from tests.support.tokens import NOW, claims_for, header_for, make_verifier, signed

from gatepass import Profile
from gatepass.errors import BindingError, MissingClaim, WrongTokenType

BARE = {"client_id": ..., "jti": ..., "scope": ...}

OTHER_KINDS = {
    "ID token with a nonce": ({"typ": "JWT"}, {**BARE, "nonce": "n-1", "auth_time": NOW}),
    "ID token with hashes": ({"typ": ...}, {**BARE, "at_hash": "x", "azp": "web"}),
    "ID token labelled by Keycloak": ({"typ": "JWT"}, {**BARE, "typ": "ID"}),
    "ID token labelled by Cognito": ({"typ": ...}, {**BARE, "token_use": "id"}),
    "refresh token labelled by Keycloak": ({"typ": "JWT"}, {**BARE, "typ": "Refresh"}),
    "offline token labelled by Keycloak": ({"typ": "JWT"}, {**BARE, "typ": "Offline"}),
    "bound token labelled by Keycloak": ({"typ": "JWT"}, {**BARE, "typ": "DPoP"}),
    "bound token labelled by its type": ({"typ": "JWT"}, {**BARE, "token_type": "pop"}),
    "refresh token of simplejwt": ({"typ": "JWT"}, {"token_type": "refresh"}),
    "refresh token of Flask-JWT-Extended": ({"typ": "JWT"}, {"type": "refresh"}),
    "logout token": ({"typ": "logout+jwt"}, {**BARE, "events": {}}),
    "logout token without a type": (
        {"typ": ...},
        {**BARE, "events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ),
    "security event": ({"typ": "secevent+jwt"}, {**BARE, "events": {}}),
    "DPoP proof": ({"typ": "dpop+jwt"}, {**BARE, "htm": "GET", "htu": "https://api.example"}),
    "DPoP proof without a type": ({"typ": ...}, {"htm": "GET", "htu": "https://api.example", "ath": "x"}),
    "introspection response": ({"typ": "token-introspection+jwt"}, {"token_introspection": {"active": True}}),
    "client assertion": ({"typ": "client-authentication+jwt"}, {"sub": "web"}),
}


@pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC], ids=["rfc9068", "generic"])
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_another_kind_of_token_is_rejected(kind, profile):
    header, claims = OTHER_KINDS[kind]

    with pytest.raises(WrongTokenType):
        make_verifier(profile=profile).verify(signed(header_for(**header), claims_for(**claims)))


def test_the_two_profiles_do_not_accept_each_others_tokens():
    with pytest.raises(WrongTokenType):
        make_verifier(profile=Profile.GENERIC).verify(signed())
    with pytest.raises(WrongTokenType):
        make_verifier().verify(signed(header_for(typ="JWT")))


@pytest.mark.parametrize(
    "claims",
    [
        {"typ": "Bearer", "azp": "web", "realm_access": {"roles": ["user"]}, "client_id": ...},
        {"token_use": "access", "client_id": "web", "username": "anna"},
        {"token_type": "access", "user_id": 1, "client_id": ..., "scope": ...},
        {"type": "access", "fresh": False, "csrf": "x", "client_id": ...},
        {"type": 5, "token_use": None, "typ": ["ID"]},
        {"azp": "web", "gty": "client-credentials", "permissions": ["a"]},
    ],
    ids=["Keycloak", "Cognito", "simplejwt", "Flask-JWT-Extended", "odd labels", "Auth0"],
)
def test_the_generic_profile_accepts_the_access_tokens_of_known_providers(claims):
    make_verifier(profile=Profile.GENERIC).verify(signed(header_for(typ="JWT"), claims_for(**claims)))


def test_a_token_without_a_claim_that_the_profile_requires_is_rejected():
    with pytest.raises(MissingClaim):
        make_verifier().verify(signed(claims=claims_for(**BARE)))


def test_a_sender_constrained_token_is_rejected_in_every_profile():
    for profile, typ in ((Profile.RFC9068, "at+jwt"), (Profile.GENERIC, "JWT")):
        with pytest.raises(BindingError):
            make_verifier(profile=profile).verify(signed(header_for(typ=typ), claims_for(cnf={"jkt": "x"})))
