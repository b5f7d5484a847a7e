"""A token that the revocation endpoint reports as revoked is revoked, even if its own verifier refuses it now, because
another service, or the same one a minute later, would accept it (RFC 7009 section 2.1).
"""

import json

import pytest
from tests.support.breaking_store import (
    AUDIENCE,
    KEY,
    NOW,
    BreakingStore,
    Clock,
    make_issuer,
    make_revocation,
    make_service,
    make_verifier,
)

from gatepass import ANY_AUDIENCE, ANY_ISSUER, ConfigurationError, Key, KeyRing, KeySet, Profile, TokenEndpoints
from gatepass.adapter import TokenRequest
from gatepass.errors import AuthError, RevokedToken, UnknownKey
from gatepass.jose.compact import decode_base64url, encode_base64url
from gatepass.keys.source import KeySource

OTHER = "https://reports.example"


class Backend:
    """Endpoints with a strict verifier, `refused_here`, and `anywhere`, a lenient verifier of another service."""

    def __init__(self, **refusing):
        self.clock = Clock()
        self.store = BreakingStore()
        self.revocation = make_revocation(self.store, self.clock)
        issuer = make_issuer(self.clock, audience=[AUDIENCE, OTHER])
        service = make_service(self.store, self.clock, issuer=issuer, revocation=self.revocation)
        verifier = make_verifier(self.clock, is_revoked=self.revocation, **refusing)
        self.endpoints = TokenEndpoints(service, verifier=verifier)
        self.refused_here = verifier
        self.anywhere = make_verifier(self.clock, audience=ANY_AUDIENCE, leeway=300, is_revoked=self.revocation)

    def post(self, token):
        body = f"token={token}&client_id=web".encode()
        content_type = "application/x-www-form-urlencoded"
        request = TokenRequest(
            method="POST", content_type=content_type, authorization=(), body=body, url_scheme="https"
        )
        return self.endpoints.revoke(request).status


def issued(ahead=0, **settings):
    return make_issuer(Clock(NOW + ahead), **settings)


LOCKED = {"check_subject": lambda token: False}
REFUSED_HERE = {
    "of a subject that may not sign in now": (LOCKED, lambda: issued().issue("anna")),
    "for another audience": ({}, lambda: issued(audience=OTHER).issue("anna")),
    "of an issuer whose clock is ahead": ({}, lambda: issued(ahead=120).issue("anna")),
    "of an issuer whose clock is far ahead": ({}, lambda: issued(ahead=1_200).issue("anna")),
    "that has expired within another's leeway": ({}, lambda: issued(ahead=-900 - 40).issue("anna")),
    "that has expired for a service whose clock is not behind": ({}, lambda: issued(ahead=-900 - 310).issue("anna")),
    "that is older than this service takes": ({"max_token_age": 60}, lambda: issued(ahead=-120).issue("anna")),
}


@pytest.mark.parametrize("case", sorted(REFUSED_HERE))
def test_a_token_that_another_service_would_accept_is_revoked(case):
    refusing, issue = REFUSED_HERE[case]
    backend, token = Backend(**refusing), issue()
    with pytest.raises(AuthError):
        backend.refused_here.verify(token)

    assert backend.post(token) == 200

    backend.clock.now = NOW + (1_200 if "far" in case else -20 if "behind" in case else 0)
    with pytest.raises(RevokedToken):
        backend.anywhere.verify(token)


def test_a_token_that_is_already_revoked_is_written_again():
    backend, token = Backend(), issued().issue("anna")

    assert [backend.post(token), backend.post(token)] == [200, 200]
    assert backend.store.calls.count("put_revocation") == 2


@pytest.mark.parametrize(
    "token",
    [
        lambda: issued(issuer="https://else.example").issue("anna"),
        lambda: issued(keys=Key.generate("ES256")).issue("anna"),
        lambda: issued(ahead=-900 - 601).issue("anna"),
        lambda: "a.b.c",
    ],
)
def test_a_token_that_no_service_accepts_is_200_and_not_written(token):
    backend = Backend()

    assert backend.post(token()) == 200
    assert "put_revocation" not in backend.store.calls


def test_a_token_without_kid_is_revoked_with_any_number_of_keys():
    keys = [Key.generate("ES256") for _ in range(9)]
    backend = Backend(keys=KeySet([key.public() for key in keys]))
    header, claims = {"alg": "ES256", "typ": "at+jwt"}, issued().issue("anna").split(".")[1]
    signing_input = encode_base64url(json.dumps(header).encode()) + b"." + claims.encode()
    token = (signing_input + b"." + encode_base64url(keys[8].sign(signing_input))).decode()
    with pytest.raises(UnknownKey):
        backend.refused_here.verify(token)

    assert backend.post(token) == 200
    assert backend.store.calls.count("put_revocation") == 1
    with pytest.raises(UnknownKey):
        backend.refused_here.verify(token)


def test_a_token_without_jti_is_400():
    backend = Backend(profile=Profile.RFC9068.allow_missing("jti"))
    header, claims, _ = issued().issue("anna").split(".")
    members = json.loads(decode_base64url(claims.encode()))
    del members["jti"]
    signing_input = header.encode() + b"." + encode_base64url(json.dumps(members).encode())

    assert backend.post((signing_input + b"." + encode_base64url(KEY.sign(signing_input))).decode()) == 400
    assert "put_revocation" not in backend.store.calls


class Source(KeySource):
    def __init__(self, keys):
        self._keys = keys

    def current(self):
        return self._keys


class Fetching(Source):
    """A source that can fetch other keys, and has just done so."""

    def fetch_missing(self, kid, seen):
        return iter(())


OTHERS = KeySet([Key.generate("ES256").public()])


@pytest.mark.parametrize(
    ("keys", "status"),
    [
        (lambda place: OTHERS, 200),
        (lambda place: Source(OTHERS), 200),
        (lambda place: KeyRing(place, access_ttl=900, clock=Clock()), 200),
        (lambda place: Source(None), 503),
        (lambda place: Fetching(OTHERS), 503),
    ],
    ids=["keys", "a source of all keys", "a key ring", "a source that has none yet", "a source that fetches"],
)
def test_a_token_of_an_unknown_key_is_503_if_the_key_may_exist(tmp_path, keys, status):
    """The key server is not queried for each unknown key, so the key may be a new one."""
    backend = Backend(keys=keys(tmp_path / "ring"))

    assert backend.post(issued(keys=Key.generate("ES256")).issue("anna")) == status


def test_a_verifier_of_another_issuer_is_refused():
    """It would take every token of the service for a foreign one, and revoke none."""
    clock = Clock()
    revocation = make_revocation(BreakingStore(), clock)
    service = make_service(BreakingStore(), clock, revocation=revocation)

    with pytest.raises(ConfigurationError, match="has another issuer="):
        TokenEndpoints(service, verifier=make_verifier(clock, issuer="https://auth.example/"))
    TokenEndpoints(service, verifier=make_verifier(clock, issuer=ANY_ISSUER))
