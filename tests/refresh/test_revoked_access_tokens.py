"""What the revocation endpoint calls revoked is revoked: also what its own verifier refuses at the moment, and another
service, or the same one a minute later, would accept (RFC 7009 section 2.1).
"""

import pytest
from tests.refresh.doubles import (
    AUDIENCE,
    NOW,
    Breaking,
    Clock,
    make_issuer,
    make_revocation,
    make_service,
    make_verifier,
)

from gatepass import ANY_AUDIENCE, Key, KeySet
from gatepass.errors import AuthError, RevokedToken
from gatepass.key_source import KeySource
from gatepass.refresh.endpoint import TokenEndpoints, TokenRequest

OTHER = "https://reports.example"


class World:
    """Endpoints whose *verifier* refuses much, and *anywhere*, a resource server that accepts whatever is not revoked."""

    def __init__(self, **refusing):
        self.clock = Clock()
        self.store = Breaking()
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
        request = TokenRequest(method="POST", content_type=content_type, authorization=(), body=body)
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
    "that is older than this service takes": ({"max_token_age": 60}, lambda: issued(ahead=-120).issue("anna")),
}


@pytest.mark.parametrize("case", sorted(REFUSED_HERE))
def test_a_token_that_another_service_would_accept_is_revoked(case):
    refusing, issue = REFUSED_HERE[case]
    world, token = World(**refusing), issue()
    with pytest.raises(AuthError):
        world.refused_here.verify(token)

    assert world.post(token) == 200

    world.clock.now = NOW + (1_200 if "far" in case else 0)
    with pytest.raises(RevokedToken):
        world.anywhere.verify(token)


def test_a_token_that_is_revoked_already_is_written_again():
    world, token = World(), issued().issue("anna")

    assert [world.post(token), world.post(token)] == [200, 200]
    assert world.store.calls.count("put_revocation") == 2


@pytest.mark.parametrize(
    "token",
    [
        lambda: issued(issuer="https://else.example").issue("anna"),
        lambda: issued(keys=Key.generate("ES256")).issue("anna"),
        lambda: issued(ahead=-900 - 301).issue("anna"),
        lambda: "a.b.c",
    ],
)
def test_a_token_that_no_service_accepts_is_200_and_writes_nothing(token):
    world = World()

    assert world.post(token()) == 200
    assert "put_revocation" not in world.store.calls


class Fetching(KeySource):
    """Keys, and a server that may have others, which cannot be asked at the moment."""

    def __init__(self, keys):
        self._keys = keys

    def current(self):
        return self._keys

    def search(self, kid, seen):
        return iter(())


class Holding(KeySource):
    """Keys that are all there are, as a key ring's."""

    def __init__(self, keys):
        self._keys = keys

    def current(self):
        return self._keys


@pytest.mark.parametrize(("source", "status"), [(Fetching, 503), (Holding, 200)])
def test_a_token_whose_key_may_be_new_is_503(source, status):
    """The key server was asked a moment ago, and is not asked again for each unknown key: nobody can tell."""
    world = World(keys=source(KeySet([Key.generate("ES256").public()])))

    assert world.post(issued(keys=Key.generate("ES256")).issue("anna")) == status
