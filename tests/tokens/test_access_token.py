"""The verified token is immutable, does not show its contents, and can only be created by a verifier."""

import copy
import pickle

import pytest
from tests.support.tokens import claims_for, make_verifier, signed

from gatepass import AccessToken


def token(**claims):
    return make_verifier().verify(signed(claims=claims_for(**claims)))


def test_it_cannot_be_created_directly():
    with pytest.raises(TypeError, match=r"TokenVerifier\.verify"):
        AccessToken()


def test_it_is_immutable():
    held = token(roles=["user"], deep={"a": [1]})

    for name in ("subject", "scopes", "claims", "_claims", "_frozen", "anything"):
        with pytest.raises(AttributeError):
            setattr(held, name, "admin")
        with pytest.raises(AttributeError):
            delattr(held, name)
    with pytest.raises(TypeError):
        held.claims["sub"] = "admin"
    with pytest.raises(TypeError):
        held.claims["deep"]["a"] = 2
    assert held.claims["deep"]["a"] == (1,)
    assert held.claims is held.claims


def test_changes_by_one_request_do_not_reach_another():
    verifier = make_verifier()
    text = signed(claims=claims_for(roles=["user"]))
    first, second = verifier.verify(text), verifier.verify(text)

    assert first is not second
    assert first.claims is not second.claims


def test_its_repr_contains_no_claims():
    held = token(sub="sentinel")

    assert "sentinel" not in repr(held) + str(held) + f"{held}"


def test_its_claims_are_returned_as_a_mutable_copy():
    verifier = make_verifier(cache_ttl=60)
    text = signed(claims=claims_for(roles=["user"], deep={"a": [{"b": 1}]}))
    held = verifier.verify(text)
    given = held.to_dict()

    assert given == claims_for(roles=["user"], deep={"a": [{"b": 1}]})
    assert [type(given), type(given["deep"]), type(given["deep"]["a"]), type(given["deep"]["a"][0])] == [
        dict, dict, list, dict,
    ]  # fmt: skip
    given["roles"].append("admin")
    given["deep"]["a"][0]["b"] = 2
    given["sub"] = "eve"
    again = verifier.verify(text)
    assert (again.subject, again.roles, again.claims["deep"]) == ("anna", {"user"}, {"a": ({"b": 1},)})
    assert held.to_dict() is not held.to_dict()


def test_a_copy_is_the_same_object_and_pickling_is_refused():
    held = token()

    assert copy.copy(held) is held
    assert copy.deepcopy(held) is held
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(held, protocol)


def test_it_does_not_keep_the_encoded_token():
    text = signed()
    held = make_verifier().verify(text)

    assert not any(
        isinstance(getattr(held, name, None), str) and text in getattr(held, name)
        for name in dir(held)
        if name != "subject"
    )


@pytest.mark.parametrize(
    ("sub", "client", "is_client"), [("anna", "web", False), ("web", "web", True), ("web", "Web", False)]
)
def test_client_tokens_are_distinguished_from_user_tokens(sub, client, is_client):
    assert token(sub=sub, client_id=client).is_client is is_client
