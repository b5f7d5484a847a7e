"""Revoked access tokens, checked by a real verifier: by token, family, subject and client, to the second."""

import json

import pytest
from tests.support.breaking_store import AUDIENCE, ISSUER, KEY, make_issuer, make_revocation, make_verifier

from gatepass import ConfigurationError, Profile, ResourceServer
from gatepass.errors import ExpiredToken, RevocationUnavailable, RevokedToken
from gatepass.jose.compact import encode_base64url
from gatepass.revocation import AccessTokenRevocation
from gatepass.stores.memory import MemoryStore


@pytest.fixture
def revocation(store, clock):
    return make_revocation(store, clock)


@pytest.fixture
def issuer(clock):
    return make_issuer(clock)


@pytest.fixture
def verifier(clock, revocation):
    return make_verifier(clock, is_revoked=revocation)


def spelled(key, claims, *, typ):
    header = {"alg": key.algorithm, "kid": key.kid} | ({} if typ is None else {"typ": typ})
    parts = [json.dumps(part).encode() for part in (header, claims)]
    signing_input = b".".join(encode_base64url(part) for part in parts)
    return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()


def refused(verifier, *tokens):
    for token in tokens:
        with pytest.raises(RevokedToken):
            verifier.verify(token)


def test_a_token_is_revoked_by_its_jti(issuer, verifier, revocation):
    one, other = issuer.issue("anna"), issuer.issue("anna")

    revocation.revoke_token(verifier.verify(one))

    refused(verifier, one)
    assert verifier.verify(other)


def test_the_same_jti_of_another_issuer_is_another_token(clock, revocation):
    claims = {"aud": AUDIENCE, "sub": "anna", "client_id": "web", "iat": clock.now, "exp": clock.now + 60, "jti": "a1"}
    ours = make_verifier(clock, is_revoked=revocation)
    theirs = make_verifier(clock, issuer="https://other.example", is_revoked=revocation)
    token = spelled(KEY, {"iss": ISSUER, **claims}, typ="at+jwt")
    namesake = spelled(KEY, {"iss": "https://other.example", **claims}, typ="at+jwt")

    revocation.revoke_token(ours.verify(token))

    refused(ours, token)
    assert theirs.verify(namesake).token_id == "a1"


def test_a_family_is_revoked_with_its_future_tokens(clock, issuer, verifier, revocation):
    before = issuer.issue("anna", family_id="f1")
    revocation.revoke_family("f1")
    clock.now += 60
    after = issuer.issue("anna", family_id="f1")

    refused(verifier, before, after)
    assert verifier.verify(issuer.issue("anna", family_id="f2"))
    assert verifier.verify(issuer.issue("anna"))


@pytest.mark.parametrize(("end", "name"), [("revoke_subject", "anna"), ("revoke_client", "web")])
def test_a_cutoff_revokes_tokens_issued_up_to_its_second(clock, issuer, verifier, revocation, *, end, name):
    clock.now += 0.4
    before = issuer.issue("anna")
    clock.now += 0.5
    getattr(revocation, end)(name)
    same_second = issuer.issue("anna")
    clock.now += 0.1
    after = issuer.issue("anna")

    refused(verifier, before, same_second)
    assert verifier.verify(after)


def test_a_cutoff_applies_to_one_subject_or_one_client(issuer, verifier, revocation):
    revocation.revoke_subject("anna")
    revocation.revoke_client("mobile")

    assert verifier.verify(issuer.issue("bert"))
    refused(verifier, issuer.issue("bert", client_id="mobile"), issuer.issue("anna"))


@pytest.mark.parametrize(
    ("profile", "claim"),
    [
        (Profile.GENERIC, "client_id"),
        (Profile.KEYCLOAK, "azp"),
        (Profile.AUTH0, "azp"),
        (Profile.AUTH0, "client_id"),
        (Profile.ENTRA_ID, "azp"),
        (Profile.ENTRA_ID, "appid"),
        (Profile.COGNITO, "client_id"),
        (Profile.OKTA, "cid"),
        (Profile.GOOGLE, "azp"),
    ],
)
def test_a_client_is_revoked_by_the_claim_that_its_provider_uses(clock, revocation, *, profile, claim):
    verifier = make_verifier(clock, profile=profile, is_revoked=revocation)
    claims = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": clock.now, "exp": clock.now + 60, "jti": "a1", "scp": ["read"],
        "typ": "Bearer", "token_use": "access",
    }  # fmt: skip
    ours, theirs = (spelled(KEY, claims | {claim: name}, typ=_typ(profile)) for name in ("web", "mobile"))

    revocation.revoke_client("web")

    refused(verifier, ours)
    assert verifier.verify(theirs).client_id == "mobile"


def _typ(profile):
    return "JWT" if "jwt" in profile.types else None


@pytest.mark.parametrize("trick", ["client:web", "family:f1", "jti:x", "subject:anna"])
def test_entries_of_different_kinds_do_not_collide(issuer, verifier, revocation, trick):
    revocation.revoke_subject(trick)
    revocation.revoke_client(trick)
    revocation.revoke_family(trick)

    assert verifier.verify(issuer.issue("anna", family_id="f1"))


def test_a_later_cutoff_wins_and_an_earlier_one_does_not_undo_it(clock, issuer, verifier, revocation):
    revocation.revoke_subject("anna")
    clock.now += 10
    between = issuer.issue("anna")
    revocation.revoke_subject("anna")
    clock.now -= 5
    revocation.revoke_subject("anna")
    clock.now += 10

    refused(verifier, between)


@pytest.mark.parametrize("leeway", [0, 30, 300])
@pytest.mark.parametrize("end", ["token", "family", "subject", "client"])
def test_an_entry_lasts_until_no_verifier_accepts_the_token(clock, issuer, revocation, *, end, leeway):
    """It lasts to the last second of the longest token with any leeway of the verifier. Then it may be purged."""
    verifier = make_verifier(clock, is_revoked=revocation, leeway=leeway)
    token = issuer.issue("anna", family_id="f1")
    if end == "token":
        revocation.revoke_token(verifier.verify(token))
    else:
        getattr(revocation, f"revoke_{end}")({"family": "f1", "subject": "anna", "client": "web"}[end])
    for now in (0, 899, 899 + leeway):
        clock.now = 1_800_000_000 + now
        refused(verifier, token)
    clock.now += 1
    with pytest.raises(ExpiredToken):
        verifier.verify(token)


def test_a_token_that_outlives_the_list_is_revoked_until_its_own_expiry(clock):
    """Another service on the same store accepts such tokens."""
    store = MemoryStore()
    here, there = (AccessTokenRevocation(store, access_ttl=longest, clock=clock) for longest in (900, 3_600))
    verifier = make_verifier(clock, is_revoked=there)
    token = make_issuer(clock, access_ttl=3_600).issue("anna")
    here.revoke_token(verifier.verify(token))

    clock.now += 3_600 + 29
    refused(verifier, token)


def test_a_fraction_of_a_second_does_not_escape_a_cutoff(clock, revocation):
    clock.now += 0.9
    claims = {"aud": AUDIENCE, "sub": "anna", "client_id": "web", "jti": "a1", "iss": ISSUER}
    token = spelled(KEY, {**claims, "iat": 1_800_000_000.5, "exp": 1_800_000_060.5}, typ="at+jwt")
    revocation.revoke_subject("anna")

    refused(make_verifier(clock, is_revoked=revocation), token)


def test_entries_are_purged_once_they_apply_to_no_token(clock, revocation):
    for number in range(5):
        revocation.revoke_family(f"f{number}")
    clock.now += 900 + 2 * 300 + 1
    assert revocation.purge() == 0
    clock.now += 1

    assert revocation.purge(limit=3) == 3
    assert revocation.purge(limit=3) == 2
    assert revocation.purge(limit=3) == 0


def test_a_token_dated_in_the_future_is_revoked_until_its_expiry(clock, issuer, verifier, revocation):
    """A verifier accepts tokens dated up to thirty seconds ahead. Such a token expires thirty seconds later."""
    clock.now += 30
    ahead = issuer.issue("anna", family_id="f1")
    clock.now -= 30
    revocation.revoke_family("f1")

    for later in (0, 900, 959):
        clock.now = 1_800_000_000 + later
        refused(verifier, ahead)


def test_an_unavailable_store_is_503_and_accepts_no_token(issuer, verifier, store):
    token = issuer.issue("anna")
    store.before.add("revoked_until")
    server = ResourceServer(verifier, https="off")

    with pytest.raises(RevocationUnavailable) as caught:
        server.authenticate([f"Bearer {token}"])

    answer = server.respond(caught.value)
    assert answer.status == 503
    assert dict(answer.headers)["Retry-After"] == "5"
    store.before.clear()
    assert server.authenticate([f"Bearer {token}"])


def test_each_request_queries_the_store_once(issuer, verifier, store):
    verifier.verify(issuer.issue("anna", family_id="f1"))

    assert store.calls == ["revoked_until"]


def test_a_token_without_jti_cannot_be_revoked_by_it_and_one_without_iat_is_revoked_by_any_cutoff(
    clock, store, revocation
):
    token = spelled(KEY, {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "exp": clock.now + 60}, typ="JWT")
    lenient = make_verifier(clock, profile=Profile.GENERIC, is_revoked=revocation)
    with pytest.raises(ValueError, match="jti"):
        revocation.revoke_token(lenient.verify(token))

    revocation.revoke_subject("anna")
    refused(lenient, token)


@pytest.mark.parametrize("claim", [7, None, ["f1"], {"f1": 1}, ""])
def test_an_invalid_family_claim_of_another_issuer_is_ignored(issuer, verifier, revocation, claim):
    revocation.revoke_family("f1")

    assert verifier.verify(issuer.issue("anna", family_id=claim))


@pytest.mark.parametrize("settings", [{"access_ttl": 0}, {"access_ttl": 86_401}, {"access_ttl": True}])
def test_settings_that_cannot_work_are_refused_at_once(settings):
    with pytest.raises(ConfigurationError):
        AccessTokenRevocation(MemoryStore(), **settings)


def test_an_invalid_store_is_refused_at_once():
    with pytest.raises(ConfigurationError):
        AccessTokenRevocation(object(), access_ttl=900)


def test_a_token_that_would_outlive_its_entry_is_503_and_the_log_names_the_setting(clock, verifier, caplog):
    """Otherwise it would be valid again once the entry that revoked it is purged."""
    longer = make_issuer(clock, access_ttl=1800).issue("anna")
    server = ResourceServer(verifier, https="off")

    with pytest.raises(RevocationUnavailable) as caught:
        server.authenticate([f"Bearer {longer}"])

    assert server.respond(caught.value).status == 503
    assert "give AccessTokenRevocation the longest lifetime of any issuer on its store as access_ttl=" in caplog.text
    assert "1800" not in caplog.text


def test_a_second_of_rounding_in_the_lifetime_is_tolerated(clock, verifier):
    times = {"iat": clock.now, "exp": clock.now + 901}
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "client_id": "web", "jti": "a1", **times}

    assert verifier.verify(spelled(KEY, claims, typ="at+jwt"))


@pytest.mark.parametrize(("left", "judged"), [(1_201, True), (1_202, False)])
def test_a_token_without_iat_is_measured_by_its_remaining_lifetime(clock, revocation, *, left, judged):
    token = spelled(KEY, {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "exp": clock.now + left}, typ="JWT")
    lenient = make_verifier(clock, profile=Profile.GENERIC, is_revoked=revocation)

    if judged:
        assert lenient.verify(token)
    else:
        with pytest.raises(RevocationUnavailable):
            lenient.verify(token)
