"""Authentication of a request, and routes that are protected, optional or public."""

import asyncio

import pytest
from tests.support.resource_server import bearer, inline, refusal
from tests.support.tokens import SECRET_KEY, SIGNING_KEY, claims_for, header_for, make_verifier, signed

from gatepass import AuthError, ConfigurationError, Key, KeySet, ResourceServer
from gatepass.errors import MalformedCredentials, MalformedToken, MissingCredentials, UnknownKey, UnsupportedScheme


def test_a_request_with_a_valid_token_is_authenticated_sync_and_async():
    server = ResourceServer(make_verifier(), https="off")

    assert server.authenticate(bearer(signed())).subject == "anna"
    assert asyncio.run(server.authenticate_async(bearer(signed()), run_blocking=inline)).subject == "anna"


class TestOpenness:
    """Protected, optional and public routes (X-14, row 1b)."""

    server = ResourceServer(make_verifier(), https="off")

    def admit(self, access, authorization):
        answers = []
        for attempt in (
            lambda: self.server.admit(access, authorization),
            lambda: asyncio.run(self.server.admit_async(access, authorization, run_blocking=inline)),
            lambda: asyncio.run(
                ResourceServer(make_verifier(is_revoked=lambda _: False), https="off").admit_async(
                    access, authorization, run_blocking=inline
                )
            ),
        ):
            try:
                token = attempt()
                answers.append(token and token.subject)
            except AuthError as error:
                answers.append(type(error))
        assert len(set(answers)) == 1
        return answers[0]

    def test_a_public_route_does_not_read_tokens(self):
        for authorization in ([], bearer(signed()), bearer("x"), ["Bearer"], ["Basic x"]):
            assert self.admit("public", authorization) is None

    def test_an_optional_route_accepts_no_token_and_refuses_a_bad_one(self):
        assert self.admit("optional", []) is None
        assert self.admit("optional", ["Basic x"]) is None
        assert self.admit("optional", bearer(signed())) == "anna"
        assert self.admit("optional", ["Bearer"]) is MalformedCredentials
        assert self.admit("optional", bearer("x")) is MalformedToken
        assert self.admit("optional", bearer(signed(claims=claims_for(exp=1)))).__name__ == "ExpiredToken"

    def test_a_protected_route_requires_a_token(self):
        assert self.admit("protected", []) is MissingCredentials
        assert self.admit("protected", ["Basic x"]) is UnsupportedScheme
        assert self.admit("protected", bearer(signed())) == "anna"


@pytest.mark.parametrize(
    ("method", "origin", "requested", "preflight"),
    [("OPTIONS", "https://a", "GET", True), ("GET", "https://a", "GET", False), ("OPTIONS", None, "GET", False), ("OPTIONS", "https://a", None, False),
     ("options", "https://a", "GET", False), ("OPTIONS", "", "GET", False), ("OPTIONS", "https://a", "", False)],
)  # fmt: skip
def test_a_preflight_is_options_with_both_headers(method, origin, requested, preflight):
    assert ResourceServer.is_preflight(method, origin=origin, requested_method=requested) is preflight


@pytest.mark.parametrize("value", [None, make_verifier(), "auth.server", ResourceServer])
def test_the_error_for_a_wrong_server_argument_names_the_expected_type(value):
    with pytest.raises(ConfigurationError, match=r"ResourceServer\(verifier\)"):
        ResourceServer.expect(value)


def test_a_key_set_serves_several_requests():
    keys = KeySet([Key.generate("ES256"), SIGNING_KEY.public()])
    server = ResourceServer(make_verifier(keys=keys), https="off")

    assert refusal(server, bearer(signed(header_for(kid="gone")))) is UnknownKey
    assert server.authenticate(bearer(signed())).subject == "anna"


@pytest.mark.parametrize("value", [SECRET_KEY, None, 5, "verifier", ResourceServer])
def test_the_error_for_a_wrong_verifier_argument_names_the_expected_type(value):
    with pytest.raises(ConfigurationError, match=r"takes a TokenVerifier\(issuer="):
        ResourceServer(value)


@pytest.mark.parametrize("lines", ["", "Bearer", "Bearer a.b.c"])
def test_a_string_in_place_of_the_lines_raises_an_error(lines):
    with pytest.raises(ConfigurationError, match="are a list"):
        ResourceServer(make_verifier()).authenticate(lines)
