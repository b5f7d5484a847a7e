"""Tokens of six providers: access tokens are read as documented, and all their other tokens are rejected."""

from dataclasses import replace

import pytest
from tests.support.provider_tokens import (
    AUTH0,
    AUTH0_RFC9068,
    COGNITO,
    ENTRA_ID,
    ENTRA_ID_V1,
    GOOGLE,
    KEYCLOAK,
    KEYCLOAK_REFRESH,
    OKTA,
    PROVIDERS,
)
from tests.support.tokens import AUDIENCE, claims_for, header_for, make_verifier, signed

from gatepass import ANY_AUDIENCE, ConfigurationError, Profile, Requirement
from gatepass.errors import (
    AuthError,
    Forbidden,
    InsufficientScope,
    InvalidAudience,
    InvalidClaim,
    InvalidIssuer,
    MissingClaim,
    WrongTokenType,
)
from gatepass.http.requirement import ScopeHierarchy
from gatepass.tokens.explain import explain
from gatepass.tokens.profile import PROVIDERS as PROFILES

NO_HIERARCHY = ScopeHierarchy({})
OPAQUE = [
    "v1.MTIzNDU2Nzg5MDEyMzQ1Njc4OTA",  # Auth0
    "1.AXkAexample_EXAMPLE-refresh",  # Entra
    "eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ.AAAA.BBBB.CCCC.DDDD",  # Cognito: encrypted
    "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg",  # Okta
    "1//0gEXAMPLE",  # Google
]

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))


def verify(claims, profile, *, audience, typ="JWT", issuer=None):
    verifier = make_verifier(profile=profile, issuer=issuer or claims["iss"], audience=audience)
    return verifier.verify(signed(header_for(typ=... if typ is None else typ), claims))


def access(provider, profile=None, **changes):
    """Return the access token of the provider with *changes*, verified as by the service that it is for."""
    claims = {name: value for name, value in {**provider.access, **changes}.items() if value is not ...}
    issuer = provider.access["iss"]
    return verify(claims, profile or provider.profile, audience=provider.audience, typ=provider.typ, issuer=issuer)


@every_provider
def test_an_access_token_is_read_as_its_provider_documents_it(provider):
    token = access(provider)

    assert (token.subject, token.client_id) == (provider.subject, provider.client)
    assert provider.audience in token.audience
    assert (token.scopes, token.roles, token.groups) == (provider.scopes, provider.roles, provider.groups)


@every_provider
def test_the_requirements_of_a_view_are_checked_against_the_claims_of_the_provider(provider):
    token = access(provider)
    for rule in (
        Requirement(scopes=sorted(provider.scopes)),
        *(Requirement(any_roles=[role]) for role in provider.roles),
        *(Requirement(any_groups=[group]) for group in provider.groups),
    ):
        rule.check(token, NO_HIERARCHY)

    with pytest.raises(InsufficientScope):
        Requirement(scopes=["orders:delete"]).check(token, NO_HIERARCHY)
    with pytest.raises(Forbidden):
        Requirement(any_roles=["view-profile"]).check(token, NO_HIERARCHY)
    with pytest.raises(Forbidden):
        Requirement(any_groups=["admins"]).check(token, NO_HIERARCHY)


@every_provider
def test_a_client_credentials_token_is_not_taken_for_a_users(provider):
    assert access(provider, **provider.own).is_client
    assert access(provider).is_client is (provider is GOOGLE)  # its sample is that of a service account


@every_provider
def test_a_token_for_another_audience_is_rejected(provider):
    with pytest.raises(InvalidAudience):
        access(provider, **provider.other_audience)


@every_provider
def test_a_token_of_another_issuer_is_rejected(provider):
    verifier = make_verifier(profile=provider.profile, issuer="https://elsewhere.example", audience=provider.audience)
    with pytest.raises(InvalidIssuer):
        verifier.verify(signed(header_for(typ=... if provider.typ is None else provider.typ), provider.access))


@pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC, *PROFILES], ids=lambda profile: profile.name)
@every_provider
def test_an_id_token_fails_in_every_profile(provider, profile):
    for typ in profile.types:  # an acceptable header does not help either
        for audience in (provider.id_token["aud"], ANY_AUDIENCE):
            with pytest.raises((WrongTokenType, MissingClaim)):
                verify(provider.id_token, profile, audience=audience, typ=typ)


# Google's identity tokens are ID tokens. Without these two claims, only the audience identifies their recipient.
@pytest.mark.parametrize("provider", [KEYCLOAK, AUTH0, ENTRA_ID, COGNITO, OKTA], ids=lambda one: one.profile.name)
def test_an_id_token_without_nonce_and_hash_still_fails_in_the_profile_of_its_provider(provider):
    bare = {name: value for name, value in provider.id_token.items() if name not in ("nonce", "at_hash")}
    for typ in provider.profile.types:
        with pytest.raises((WrongTokenType, MissingClaim)):
            verify(bare, provider.profile, audience=provider.id_token["aud"], typ=typ)


@pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC, *PROFILES], ids=lambda profile: profile.name)
@pytest.mark.parametrize("label", ["Refresh", "Offline"])
def test_keycloaks_refresh_tokens_fail_in_every_profile(label, profile):
    claims = {**KEYCLOAK_REFRESH, "typ": label}
    for typ in profile.types:
        with pytest.raises((WrongTokenType, MissingClaim)):
            verify(claims, profile, audience=ANY_AUDIENCE, typ=typ)


@pytest.mark.parametrize("text", OPAQUE)
@every_provider
def test_the_refresh_tokens_of_the_other_providers_are_no_signed_tokens(provider, text):
    verifier = make_verifier(profile=provider.profile, issuer=provider.access["iss"], audience=provider.audience)
    with pytest.raises(AuthError):
        verifier.verify(text)


@every_provider
def test_the_claims_that_the_profile_requires_must_be_present(provider):
    for claim in provider.profile.required:
        with pytest.raises((MissingClaim, InvalidAudience, WrongTokenType)):
            access(provider, **{claim: ...})
    for choice in provider.profile.any_of:
        with pytest.raises(MissingClaim):
            access(provider, **dict.fromkeys(choice, ...))


@pytest.mark.parametrize("odd", [{"a": "b"}, 5, None, True, [1], ["a", ["b"]], [["a"]], {}], ids=repr)
@every_provider
def test_a_claim_of_the_wrong_type_is_rejected_and_not_treated_as_missing(provider, odd):
    names = provider.profile.names
    lists = {path[0] for path in (*names.roles, *names.groups) if len(path) == 1}
    for claim in {names.scope, *names.client, *lists}:
        with pytest.raises(InvalidClaim):
            access(provider, **{claim: odd})


@pytest.mark.parametrize("odd", ["", "a b", 'a"b', "ä", ["a b"], [""], ["a\\"]])
@pytest.mark.parametrize("provider", [ENTRA_ID, OKTA], ids=["entra-id", "okta"])
def test_scopes_in_scp_are_scope_tokens_in_a_text_or_a_list(provider, odd):
    if odd == "":
        assert access(provider, scp=odd).scopes == frozenset()
    elif odd == "a b":
        assert access(provider, scp=odd).scopes == {"a", "b"}
    else:
        with pytest.raises(InvalidClaim):
            access(provider, scp=odd)


LISTS = [
    (["orders:read", "openid"], {"orders:read", "openid"}),
    (["a"], {"a"}),
    (["a", "a"], {"a"}),
    ([], set()),
    ("orders:read openid", {"orders:read", "openid"}),
]
NO_SCOPES = [["a b"], ["a", ""], ["a", 5], [None], [["a"]], ['a"b'], {"a": 1}, None, 5, True, "a  b"]
WIDE = [
    Profile.GENERIC,
    Profile.GENERIC.allow_missing(),
    Profile.GENERIC.roles_at(("role",)),
    Profile.RFC9068.scopes_in("scope"),
    Profile.RFC9068.scopes_in("scope").allow_missing("jti"),
    Profile.RFC9068.roles_at(("role",)).scopes_in("scope"),
]


@pytest.mark.parametrize("cache_ttl", [0, 60])
@pytest.mark.parametrize("profile", WIDE, ids=repr)
def test_scopes_may_be_a_list_where_the_profile_is_not_that_of_rfc_9068(profile, cache_ttl):
    verifier = make_verifier(profile=profile, cache_ttl=cache_ttl)
    header = header_for(typ="JWT" if "jwt" in profile.types else "at+jwt")

    for written, meant in LISTS:
        text = signed(header, claims_for(scope=written))
        assert verifier.verify(text).scopes == verifier.verify(text).scopes == meant
        assert {finding.outcome for finding in explain(text, verifier)} == {"passed"}
    for odd in NO_SCOPES:
        text = signed(header, claims_for(scope=odd))
        with pytest.raises(InvalidClaim):
            verifier.verify(text)
        assert [finding.name for finding in explain(text, verifier) if finding.outcome == "failed"] == ["scope"]


@every_provider
def test_each_provider_may_write_scopes_as_a_list(provider):
    claim = provider.profile.names.scope

    assert access(provider, **{claim: ["orders:read", "openid"]}).scopes == {"orders:read", "openid"}
    with pytest.raises(InvalidClaim):
        access(provider, **{claim: ["orders:read openid"]})


@pytest.mark.parametrize(
    "profile", [Profile.RFC9068, Profile.RFC9068.allow_missing("jti"), Profile.RFC9068.roles_at(("role",))], ids=repr
)
@pytest.mark.parametrize("scope", [["orders:read"], []])
def test_the_profile_of_rfc_9068_accepts_scopes_as_a_string_only(profile, scope):
    with pytest.raises(InvalidClaim):
        verify(claims_for(scope=scope), profile, audience=AUDIENCE, typ="at+jwt")


def test_one_role_or_group_as_a_string_is_never_split():
    one = {"roles": "admin user", "groups": "Sales, North"}
    for profile, typ in ((Profile.GENERIC, "JWT"), (Profile.RFC9068.roles_at(("roles",)), "at+jwt")):
        token = verify(claims_for(**one, entitlements="a b"), profile, audience=AUDIENCE, typ=typ)

        assert (token.roles, token.groups) == ({"admin user"}, {"Sales, North"})
        assert token.strings("entitlements") == {"a b"}
        Requirement(any_roles=["admin user"], any_entitlements=["a b"]).check(token, NO_HIERARCHY)
        with pytest.raises(Forbidden):
            Requirement(any_roles=["admin"]).check(token, NO_HIERARCHY)


@every_provider
def test_one_role_or_group_as_a_string_is_accepted_for_providers_with_roles(provider):
    names = provider.profile.names
    (role,), (group,) = names.roles, names.groups
    token = access(provider, **_placed(role, "clerk"), **(_placed(group, "clerk") if group != role else {}))

    assert (token.roles, token.groups) == ({"clerk"}, {"clerk"})


def _placed(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


def test_a_blank_string_contains_no_role():
    profile = Profile.GENERIC.roles_at(("role",))

    assert verify(claims_for(role=""), profile, audience=AUDIENCE).roles == frozenset()
    for odd in (5, None, True, {"admin": True}, ["admin", 5]):
        with pytest.raises(InvalidClaim):
            verify(claims_for(role=odd), profile, audience=AUDIENCE)


def test_roles_of_several_places_may_have_either_form():
    profile = Profile.GENERIC.roles_at(("role",), ("app", "roles"))

    assert verify(claims_for(role="a", app={"roles": ["b", "c"]}), profile, audience=AUDIENCE).roles == {"a", "b", "c"}
    assert verify(claims_for(role=["a"], app={"roles": "b"}), profile, audience=AUDIENCE).roles == {"a", "b"}


def test_the_profile_of_rfc_9068_reads_roles_in_lists_only():
    token = verify(
        claims_for(roles="admin", groups="a", entitlements="b"), Profile.RFC9068, audience=AUDIENCE, typ="at+jwt"
    )

    assert (token.roles, token.groups, token.strings("entitlements")) == (frozenset(), frozenset(), frozenset())


@pytest.mark.parametrize(
    "changes",
    [
        {"realm_access": ["clerk"]},
        {"realm_access": "clerk"},
        {"realm_access": {"roles": 5}},
        {"realm_access": {"roles": {"clerk": True}}},
        {"realm_access": {"roles": None}},
    ],
    ids=repr,
)
def test_roles_are_refused_unless_objects_lead_to_a_list_or_a_text(changes):
    with pytest.raises(InvalidClaim):
        access(KEYCLOAK, **changes)


@pytest.mark.parametrize("changes", [{"realm_access": ...}, {"realm_access": {}}], ids=["absent", "empty"])
def test_a_token_without_roles_has_no_roles(changes):
    assert access(KEYCLOAK, **changes).roles == frozenset()


def test_two_claims_with_different_clients_are_rejected():
    with pytest.raises(InvalidClaim):
        access(AUTH0, client_id="another")
    with pytest.raises(InvalidClaim):
        access(ENTRA_ID, appid="another")
    assert access(ENTRA_ID, appid=ENTRA_ID.client).client_id == ENTRA_ID.client


# --- Keycloak


def test_keycloaks_access_token_may_have_the_standard_type():
    assert verify(KEYCLOAK.access, Profile.KEYCLOAK, audience="orders-api", typ="at+jwt").roles == KEYCLOAK.roles


@pytest.mark.parametrize("label", [..., "bearer", "DPoP", "Serialized-ID", "Logout", 5, None, ["Bearer"], {}], ids=repr)
def test_keycloaks_typ_claim_decides_the_kind_of_token(label):
    with pytest.raises(WrongTokenType):
        access(KEYCLOAK, typ=label) if label is not ... else access(
            KEYCLOAK, Profile.KEYCLOAK.allow_missing("typ"), typ=...
        )


def test_the_nonce_of_older_versions_is_accepted():
    assert access(KEYCLOAK, nonce="n-1").subject == KEYCLOAK.subject


@pytest.mark.parametrize("audience", ["account", ["orders-api", "account"]])
def test_an_audience_that_all_tokens_have_is_refused_at_start_up(audience):
    with pytest.raises(ConfigurationError, match="tokens of every client"):
        make_verifier(profile=Profile.KEYCLOAK, audience=audience)


def test_the_application_may_select_the_roles_of_one_client_instead_of_the_realms():
    profile = Profile.KEYCLOAK.roles_at(("resource_access", "orders-api", "roles"))
    assert access(KEYCLOAK, profile).roles == {"approver"}

    both = Profile.KEYCLOAK.roles_at(("realm_access", "roles"), ("resource_access", "orders-api", "roles"))
    assert access(KEYCLOAK, both).roles == {"approver", "clerk", "offline_access"}


def test_a_role_of_the_same_name_at_another_client_does_not_count():
    elsewhere = {"billing-api": {"roles": ["approver"]}}
    profile = Profile.KEYCLOAK.roles_at(("resource_access", "orders-api", "roles"))

    assert access(KEYCLOAK, profile, resource_access=elsewhere, azp="billing-api").roles == frozenset()


# --- Auth0


def test_auth0_may_follow_rfc_9068():
    for profile in (Profile.AUTH0, Profile.RFC9068):
        token = verify(AUTH0_RFC9068, profile, audience=AUTH0.audience, typ="at+jwt")
        assert (token.client_id, token.scopes) == (AUTH0.client, {"read:orders"})


def test_permissions_count_as_scopes_only_where_configured():
    assert "write:orders" not in access(AUTH0).scopes
    assert access(AUTH0, Profile.AUTH0.scopes_in("permissions")).scopes == {"read:orders", "write:orders"}
    with pytest.raises(InvalidClaim):
        access(AUTH0, Profile.AUTH0.scopes_in("permissions"), permissions={"read:orders": True})


def test_a_namespaced_claim_is_one_name_with_dots():
    profile = Profile.AUTH0.roles_at(("https://shop.example/roles",))

    assert access(AUTH0, profile, **{"https://shop.example/roles": ["clerk"]}).roles == {"clerk"}


# --- Entra


def test_entras_older_tokens_have_another_issuer_audience_and_client_claim():
    token = verify(ENTRA_ID_V1, Profile.ENTRA_ID, audience="api://orders")

    assert (token.client_id, token.scopes) == (ENTRA_ID.client, {"Orders.Read"})


def test_a_token_that_any_app_of_the_tenant_can_get_is_rejected():
    with pytest.raises(MissingClaim):
        access(ENTRA_ID, scp=..., roles=..., **ENTRA_ID.own)
    assert access(ENTRA_ID, scp=..., **ENTRA_ID.own).roles == {"Clerk"}


# --- Cognito


def test_cognitos_client_id_replaces_the_missing_audience():
    assert access(COGNITO).audience == ("1example23456789",)


def test_a_token_without_any_audience_is_rejected():
    claims = {name: value for name, value in GOOGLE.access.items() if name != "aud"}

    assert verify(claims, Profile.GOOGLE, audience=ANY_AUDIENCE).audience == ()


@pytest.mark.parametrize("label", ["Access", "id", "refresh", 5, None, ["access"], {}], ids=repr)
def test_cognitos_token_use_claim_decides_the_kind_of_token(label):
    with pytest.raises(WrongTokenType):
        access(COGNITO, token_use=label)


def test_a_cognito_token_bound_to_a_resource_is_for_that_resource_only():
    with pytest.raises(InvalidAudience):
        access(COGNITO, aud="https://other.example")
    bound = {**COGNITO.access, "aud": "https://orders.example"}
    assert verify(bound, Profile.COGNITO, audience="https://orders.example", typ=None).audience == (
        "https://orders.example",
    )


# --- Okta


def test_oktas_tokens_for_itself_are_rejected():
    with pytest.raises(WrongTokenType):
        verify(OKTA.access, Profile.OKTA, audience=OKTA.audience, typ="application/okta-internal-at+jwt")


# --- Google


def test_googles_issuer_is_compared_exactly():
    short = {**GOOGLE.access, "iss": "accounts.google.com"}
    assert verify(short, Profile.GOOGLE, audience=GOOGLE.audience).issuer == "accounts.google.com"
    with pytest.raises(InvalidIssuer):
        make_verifier(profile=Profile.GOOGLE, issuer="https://accounts.google.com", audience=GOOGLE.audience).verify(
            signed(header_for(typ="JWT"), short)
        )


# --- profiles as values ---


@pytest.mark.parametrize("profile", [profile for profile in PROFILES if profile is not Profile.AUTH0], ids=repr)
def test_a_token_in_the_form_of_rfc_9068_does_not_bypass_the_rules_of_a_provider(profile):
    for typ in profile.types:
        with pytest.raises((MissingClaim, WrongTokenType)):
            verify(claims_for(), profile, audience=AUDIENCE, typ=typ)


def test_roles_are_checked_in_every_token_of_a_profile_with_roles():
    profile = Profile.RFC9068.roles_at(("realm", "roles"))

    assert verify(claims_for(realm={"roles": ["clerk"]}), profile, audience=AUDIENCE, typ="at+jwt").roles == {"clerk"}
    with pytest.raises(InvalidClaim):
        verify(claims_for(realm=["clerk"]), profile, audience=AUDIENCE, typ="at+jwt")


@pytest.mark.parametrize("paths", [(), ((),), ("realm_access.roles",), (["roles"],), (("roles", ""),), (("roles", 5),)])
def test_a_path_to_roles_must_be_a_tuple_of_names(paths):
    with pytest.raises(ConfigurationError, match="roles_at"):
        Profile.KEYCLOAK.roles_at(*paths)


@pytest.mark.parametrize("claim", ["", None, ("scp",)])
def test_the_name_of_the_scope_claim_must_not_be_empty(claim):
    with pytest.raises(ConfigurationError, match="scopes_in"):
        Profile.AUTH0.scopes_in(claim)


def test_profiles_are_hashable_values_with_names():
    assert [profile.name for profile in PROFILES] == list(PROVIDERS)
    assert len({*PROFILES, Profile.RFC9068, Profile.GENERIC}) == 8
    assert repr(Profile.KEYCLOAK) == "<Profile keycloak>"


@pytest.mark.parametrize("profile", [Profile.RFC9068, Profile.GENERIC, *PROFILES], ids=repr)
def test_a_profile_can_be_selected_by_its_name(profile):
    assert Profile.named(profile.name) is profile
    assert Profile.named(profile.name.upper().replace("-", "_")) is profile


@pytest.mark.parametrize("name", ["", "strict", "key cloak", None, 5])
def test_an_unknown_profile_name_is_refused_with_all_known_names(name):
    with pytest.raises(ConfigurationError, match="'rfc9068', 'generic', 'keycloak', 'auth0', 'entra-id', 'cognito'"):
        Profile.named(name)


def test_audience_and_client_are_never_both_waived():
    with pytest.raises(InvalidAudience):
        access(COGNITO, Profile.COGNITO.allow_missing("client_id"), client_id=...)


def test_a_hook_reads_the_providers_claims_in_an_explanation_too():
    seen = []
    verifier = make_verifier(
        profile=Profile.OKTA,
        issuer=OKTA.access["iss"],
        audience=OKTA.audience,
        check_subject=lambda token: seen.append((token.client_id, token.scopes)) or True,
    )
    text = signed(header_for(typ=...), OKTA.access)
    verifier.verify(text)
    explain(text, verifier)

    assert seen == [(OKTA.client, OKTA.scopes)] * 2


@every_provider
def test_an_explanation_fails_where_the_verifier_does(provider):
    verifier = make_verifier(profile=provider.profile, issuer=provider.access["iss"], audience=provider.audience)
    typ = ... if provider.typ is None else provider.typ

    good = explain(signed(header_for(typ=typ), provider.access), verifier)
    bad = explain(signed(header_for(typ=typ), {**provider.access, "groups": {}, "cognito:groups": {}}), verifier)

    assert {finding.outcome for finding in good} == {"passed"}
    assert [finding.name for finding in bad if finding.outcome == "failed"] == ["roles"]


@pytest.mark.parametrize(
    ("provider", "changes", "detail"),
    [
        (ENTRA_ID, {"scp": ..., "roles": ...}, "the profile requires one of several claims, and all are absent"),
        (ENTRA_ID, {"azp": "one", "appid": "another"}, "two claims name different clients"),
        (OKTA, {"scp": [""]}, "scp is not a list of scope tokens"),
        (KEYCLOAK, {"realm_access": "admin"}, "a claim on the path to roles is not an object"),
        (KEYCLOAK, {"realm_access": {"roles": 5}}, "roles or groups are not a list of strings"),
        (KEYCLOAK, {"typ": "Widget"}, "the payload does not say that it is an access token"),
    ],
)
def test_the_log_says_which_rule_of_the_provider_refused(provider, changes, detail):
    with pytest.raises(AuthError) as caught:
        access(provider, **changes)
    assert caught.value.log_detail == detail


def test_an_audience_that_every_token_has_is_refused_with_the_correct_setting():
    with pytest.raises(ConfigurationError) as caught:
        make_verifier(profile=Profile.KEYCLOAK, audience="account")
    assert str(caught.value) == "audience= is in the tokens of every client: have the provider name this service in aud"


@pytest.mark.parametrize(
    ("rule", "missing", "refusal"),
    [
        ({"any_of": (frozenset(("tenant", "organisation")),)}, {}, MissingClaim),
        ({"token_use": ("kind", frozenset(("access",)))}, {}, WrongTokenType),
        ({"token_use": ("kind", frozenset(("access",)))}, {"kind": "other"}, WrongTokenType),
    ],
)
def test_a_rule_of_a_custom_profile_applies_with_the_claim_names_of_rfc_9068(rule, missing, refusal):
    """The fast path for ordinary claims supports neither rule, and must not be used."""
    verifier = make_verifier(profile=replace(Profile.RFC9068, name="own", **rule))

    with pytest.raises(refusal):
        verifier.verify(signed(claims=claims_for(**missing)))
    assert verifier.verify(signed(claims=claims_for(tenant="t", kind="access"))).subject == "anna"
