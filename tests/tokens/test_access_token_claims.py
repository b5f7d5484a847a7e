"""Claims are dicts and tuples to every reader, and one request cannot change them for another."""

import copy
import json
import pickle

import pytest
from tests.support.tokens import claims_for, make_verifier, signed

from gatepass.tokens.access_token import freeze

DEEP = {"org": {"id": 7, "units": [{"name": "north", "leads": ["anna"]}]}, "roles": ["user"], "none": None, "text": "ä"}


def claims(**changes):
    return make_verifier().verify(signed(claims=claims_for(**changes))).claims


def places(found):
    """Return the claims and every object in them."""
    return [found, found["org"], found["org"]["units"][0]]


CHANGES = {
    "a member": lambda held: held.__setitem__("sub", "eve"),
    "a deleted member": lambda held: held.__delitem__(next(iter(held))),
    "update": lambda held: held.update({"sub": "eve"}),
    "update by keyword": lambda held: held.update(sub="eve"),
    "update with nothing": lambda held: held.update(),
    "|=": lambda held: held.__ior__({"sub": "eve"}),
    "pop": lambda held: held.pop(next(iter(held))),
    "pop with a default": lambda held: held.pop("missing", None),
    "popitem": lambda held: held.popitem(),
    "clear": lambda held: held.clear(),
    "setdefault": lambda held: held.setdefault("missing", []),
    "setdefault of what is there": lambda held: held.setdefault(next(iter(held))),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_no_method_changes_them_at_any_depth(change):
    held = claims(**DEEP)

    for place in places(held):
        with pytest.raises(TypeError, match="read-only"):
            change(place)
    assert held == claims(**DEEP)


def test_statements_change_them_no_more_than_methods():
    held = claims(**DEEP)

    with pytest.raises(TypeError):
        held["sub"] = "eve"
    with pytest.raises(TypeError):
        del held["sub"]
    with pytest.raises(TypeError):
        held |= {"sub": "eve"}
    with pytest.raises(AttributeError):
        held.sub = "eve"
    with pytest.raises(TypeError):
        held.__class__ = dict
    assert held == claims(**DEEP)


def test_calling_init_again_changes_nothing():
    held = claims(**DEEP)
    held.__init__({"sub": "eve"}, role="admin")

    assert held == claims(**DEEP)


def test_they_are_dicts_and_tuples_at_every_depth():
    held = claims(**DEEP)

    assert all(isinstance(place, dict) for place in places(held))
    assert held["org"]["units"] == ({"name": "north", "leads": ("anna",)},)
    assert type(held["org"]["units"][0]["leads"]) is tuple
    assert {**held} == dict(held) == held == {**claims_for(), **freeze(DEEP)}


def test_the_usual_copies_are_mutable_and_independent():
    held = claims(**DEEP)

    for mine in (dict(held), {**held}, held.copy(), held | {"more": 1}, {"more": 1} | held):
        assert type(mine) is dict
        mine["sub"] = "eve"
    assert held["sub"] == "anna"


def test_json_encodes_them_directly():
    held = claims(**DEEP)

    assert json.loads(json.dumps(held)) == claims_for(**DEEP)
    assert json.loads(json.dumps({"claims": held}, indent=1, sort_keys=True)) == {"claims": claims_for(**DEEP)}
    assert json.loads("".join(json.JSONEncoder().iterencode(held))) == claims_for(**DEEP)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_restores_them_read_only(protocol):
    held = claims(**DEEP)
    back = pickle.loads(pickle.dumps(held, protocol))  # noqa: S301 - it was made here

    assert back == held
    for place in places(back):
        with pytest.raises(TypeError, match="read-only"):
            place["sub"] = "eve"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_immutable_claims_is_the_same_object(copied):
    held = claims(**DEEP)

    assert copied(held) is held
    assert copied({"claims": held["org"]})["claims"] is held["org"]


def test_the_copy_does_not_follow_the_original():
    original = {"a": [1], "b": {"c": []}}
    frozen = freeze(original)
    original["a"].append(2)
    original["b"]["c"] = 5

    assert frozen == {"a": (1,), "b": {"c": ()}}
