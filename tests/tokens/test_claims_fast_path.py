"""The fast path for ordinary claims never accepts what the checks reject, and ordinary tokens use it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepass import ANY_AUDIENCE, Profile
from gatepass.errors import AuthError
from gatepass.tokens.claims import compile_checks, compile_fast_path

NOW = 1_800_000_000.0
LEEWAY = 30
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799
AUDIENCE = frozenset(("https://api.example", "api"))
ORDINARY = {
    "iss": "https://auth.example",
    "aud": "https://api.example",
    "sub": "anna",
    "client_id": "web",
    "jti": "1",
    "scope": "orders:read orders:write",
    "iat": 1_800_000_000,
    "exp": 1_800_000_900,
}
ADDED = Profile("rfc9068 and tenant", Profile.RFC9068.types, Profile.RFC9068.required | {"tenant"})
PROFILES = [
    Profile.RFC9068,
    Profile.RFC9068.allow_missing("sub", "client_id", "jti", "iat"),
    Profile.GENERIC,
    Profile.RFC9068.scopes_in("scope").roles_at(("roles",)),
    ADDED,
]

dates = st.one_of(
    st.sampled_from([30, 31, -30, -31, -90, -91, 0, 1, -1]).map(lambda offset: int(NOW) + offset),
    st.sampled_from([LAST_SECOND, LAST_SECOND + 1, FIRST_SECOND, FIRST_SECOND - 1, 10**400]),
    st.floats(allow_nan=False),
)
texts = st.sampled_from(["", " ", "anna", "api", "https://api.example", "a b", "a  b", 'a"b', "ä", "id", "refresh"])
anything = st.one_of(st.none(), st.booleans(), dates, texts, st.just([]), st.just(["api"]), st.just({}))
claim = st.sampled_from([*ORDINARY, "nbf", "cnf", "nonce", "typ", "tenant"])
bent = st.builds(
    lambda changes, removed: {name: value for name, value in {**ORDINARY, **changes}.items() if name not in removed},
    st.dictionaries(claim, anything, max_size=3),
    st.sets(claim, max_size=2),
)


def policy(profile, *, audience=AUDIENCE, max_token_age=None):
    settings = {"audience": audience, "leeway": LEEWAY, "max_token_age": max_token_age}
    return compile_fast_path(profile, **settings), compile_checks(profile, **settings)


def passes(checks, claims, now):
    try:
        for named in checks:
            named.check(claims, now)
    except AuthError:
        return False
    return True


@pytest.mark.parametrize("max_token_age", [None, 60])
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@given(claims=bent)
def test_claims_that_pass_the_fast_path_pass_every_check(profile, max_token_age, claims):
    passes_fast_path, checks = policy(profile, max_token_age=max_token_age)
    if passes_fast_path(claims, NOW):
        assert passes(checks, claims, NOW)


@pytest.mark.parametrize(
    "claims",
    [
        ORDINARY,
        {**ORDINARY, "roles": ["buyer"]},
        {**ORDINARY, "aud": "api"},
        {**ORDINARY, "scope": ""},
        {name: value for name, value in ORDINARY.items() if name != "scope"},
        {**ORDINARY, "exp": int(NOW) - LEEWAY + 1},
        {**ORDINARY, "iat": int(NOW) + LEEWAY},
    ],
)
def test_an_ordinary_token_takes_the_fast_path(claims):
    for profile in (Profile.RFC9068, Profile.GENERIC, Profile.RFC9068.scopes_in("scope")):
        passes_fast_path, checks = policy(profile, max_token_age=60)
        assert passes_fast_path(claims, NOW)
        assert passes(checks, claims, NOW)


REFUSED = [
    *(
        {name: value for name, value in ORDINARY.items() if name != missing}
        for missing in ORDINARY
        if missing not in ("iss", "scope")
    ),
    {**ORDINARY, "exp": int(NOW) - LEEWAY},
    {**ORDINARY, "exp": LAST_SECOND + 1},
    {**ORDINARY, "exp": True},
    {**ORDINARY, "iat": int(NOW) + LEEWAY + 1},
    {**ORDINARY, "iat": -LAST_SECOND - 1},
    {**ORDINARY, "iat": int(NOW) - 60 - LEEWAY},
    {**ORDINARY, "iat": False},
    {**ORDINARY, "aud": "https://other.example"},
    {**ORDINARY, "aud": 1},
    {**ORDINARY, "aud": {}},
    *({**ORDINARY, name: value} for name in ("sub", "client_id", "jti") for value in ("", 1, None, [])),
    {**ORDINARY, "scope": "a  b"},
    {**ORDINARY, "scope": ["a"]},
    {**ORDINARY, "scope": None},
    {**ORDINARY, "nbf": int(NOW) + LEEWAY + 1},
    *({**ORDINARY, "cnf": cnf} for cnf in ({"jkt": "1"}, {"kid": "1"}, {"unknown": 1}, {}, None, "x")),
]


@pytest.mark.parametrize("claims", REFUSED, ids=range(len(REFUSED)))
def test_claims_that_a_check_rejects_do_not_pass_the_fast_path(claims):
    passes_fast_path, checks = policy(Profile.RFC9068, max_token_age=60)
    assert not passes(checks, claims, NOW)
    assert not passes_fast_path(claims, NOW)


@pytest.mark.parametrize("claims", [{**ORDINARY, "nonce": "n"}, {**ORDINARY, "token_use": "id"}])
def test_claims_of_another_kind_of_token_do_not_pass_the_fast_path(claims):
    passes_fast_path, checks = policy(Profile.GENERIC)
    assert not passes(checks, claims, NOW)
    assert not passes_fast_path(claims, NOW)


def test_the_fast_path_requires_the_claims_of_the_profile():
    passes_fast_path, checks = policy(ADDED)
    assert not passes(checks, ORDINARY, NOW)
    assert not passes_fast_path(ORDINARY, NOW)
    assert passes_fast_path({**ORDINARY, "tenant": "acme"}, NOW)


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf])
def test_no_token_passes_the_fast_path_without_a_valid_clock(now):
    passes_fast_path, checks = policy(Profile.RFC9068)
    assert not passes_fast_path(ORDINARY, now)
    assert not passes(checks, ORDINARY, now)


def test_the_fast_path_is_not_used_where_any_audience_is_accepted():
    passes_fast_path, checks = policy(Profile.RFC9068, audience=ANY_AUDIENCE)
    assert not passes_fast_path(ORDINARY, NOW)
    assert passes(checks, ORDINARY, NOW)


def test_the_cache_of_scopes_is_bounded():
    passes_fast_path = compile_fast_path(Profile.RFC9068, audience=AUDIENCE, leeway=LEEWAY, max_token_age=None)
    for number in range(5_000):
        assert passes_fast_path({**ORDINARY, "scope": f"orders:{number}"}, NOW)

    (seen,) = (cell.cell_contents for cell in passes_fast_path.__closure__ if hasattr(cell.cell_contents, "cache_info"))
    assert seen.cache_info().currsize <= 1_024
