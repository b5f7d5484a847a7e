"""Token pairs: an access token has the facts of the grant, current extra claims, and ends no later than its family."""

from datetime import UTC, datetime

from tests.support.breaking_store import make_service, make_verifier


def test_every_access_token_contains_the_authentication_facts_of_the_login(service, clock):
    pair = service.grant(
        "anna", auth_time=datetime.fromtimestamp(clock.now - 5, UTC), acr="urn:x:phr", amr=["pwd", "otp"]
    )
    for _ in range(3):
        clock.now += 1_000
        pair = service.refresh(pair.refresh_token)

    claims = make_verifier(clock).verify(pair.access_token).claims
    assert (claims["auth_time"], claims["acr"], claims["amr"]) == (1_799_999_995, "urn:x:phr", ("pwd", "otp"))


def test_one_method_of_authentication_may_be_given_as_text(service, clock):
    pair = service.grant("anna", amr="pwd")

    assert make_verifier(clock).verify(pair.access_token).claims["amr"] == ("pwd",)


def test_extra_claims_are_requested_at_every_refresh(store, clock):
    roles = ["reader"]
    service = make_service(store, clock, claims_for=lambda session: {"roles": list(roles)})
    first = service.grant("anna")
    roles.append("admin")
    second = service.refresh(first.refresh_token)

    verifier = make_verifier(clock)
    assert verifier.verify(first.access_token).strings("roles") == {"reader"}
    assert verifier.verify(second.access_token).strings("roles") == {"reader", "admin"}


def test_an_access_token_does_not_outlive_its_family(store, clock):
    service = make_service(store, clock, refresh_ttl=500, absolute_ttl=500)
    pair = service.grant("anna")
    assert pair.expires_in == 500
    clock.now += 450

    pair = service.refresh(pair.refresh_token)

    assert pair.expires_in == 50
    assert make_verifier(clock).verify(pair.access_token).expires_at.timestamp() == clock.now + 50


def test_the_repr_of_a_pair_contains_no_token(service):
    pair = service.grant("anna")

    assert pair.access_token not in repr(pair)
    assert pair.refresh_token not in repr(pair)
