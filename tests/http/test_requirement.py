"""The rules of an operation: all of some scopes, any of others, roles, and implied scopes (A-01 to A-07)."""

from typing import ClassVar

import pytest
from tests.support.tokens import claims_for, make_verifier, signed

from gatepass import ConfigurationError, Requirement, ResourceServer
from gatepass.errors import ConcealedResource, Forbidden, InsufficientScope, MissingCredentials

FORBIDDEN_TEXTS = ["", "a\tb", 'a"b', "a\\b", "é"]


def token(**claims):
    return make_verifier().verify(signed(claims=claims_for(**claims)))


def refusal(held, *, implies=None, **rules):
    server = ResourceServer(make_verifier(), implies=implies)
    with pytest.raises(Forbidden) as refused:
        server.authorize(held, **rules)
    return refused.value


def allow(held, *, implies=None, **rules):
    ResourceServer(make_verifier(), implies=implies).authorize(held, **rules)


class TestScopes:
    """Scopes are case-sensitive and unordered, and compared completely."""

    def test_all_of_the_scopes_are_needed(self):
        held = token(scope="b a c")

        allow(held)
        allow(held, scopes=["a", "b"])
        allow(held, scopes="c b a")
        error = refusal(held, scopes=["a", "d", "e"])
        assert type(error) is InsufficientScope
        assert error.required_scopes == ("a", "d", "e")

    @pytest.mark.parametrize(
        "scope", ["A", "a", "ab", "orders", "orders:", "orders:rea", "orders:read2", "ORDERS:READ", "orders:*"]
    )
    def test_a_scope_is_compared_completely_and_case_sensitively(self, scope):
        refusal(token(scope="orders:read"), scopes=[scope])

    def test_any_of_the_scopes_is_enough(self):
        allow(token(scope="b"), any_scopes=["a", "b"])
        error = refusal(token(scope="c"), any_scopes=["a", "b"])
        assert error.required_scopes == ("a",)

    def test_both_rules_must_be_met_and_the_challenge_names_every_needed_scope(self):
        allow(token(scope="a c"), scopes="a", any_scopes="b c")
        assert refusal(token(scope="a"), scopes="a", any_scopes="b c").required_scopes == ("a", "b")
        assert refusal(token(scope="b"), scopes="a", any_scopes="b c").required_scopes == ("a",)

    def test_a_token_without_scopes_has_none(self):
        refusal(token(scope=...), scopes=["a"])
        allow(token(scope=...))


class TestHierarchy:
    """A broader scope implies the narrower ones (A-04)."""

    IMPLIES: ClassVar = {
        "admin": ["files:write"],
        "files:write": "files:read files:list",
        "loop": ["pool"],
        "pool": ["loop"],
    }

    @pytest.mark.parametrize("needed", ["files:read", "files:list", "files:write"])
    def test_scope_implications_are_transitive(self, needed):
        allow(token(scope="admin"), implies=self.IMPLIES, scopes=[needed])
        allow(token(scope="admin"), implies=self.IMPLIES, any_scopes=["x", needed])

    def test_a_narrower_scope_does_not_imply_the_broader(self):
        refusal(token(scope="files:read"), implies=self.IMPLIES, scopes=["files:write"])
        refusal(token(scope="files:read files:list"), implies=self.IMPLIES, scopes=["admin"])

    def test_circular_implications_terminate(self):
        allow(token(scope="loop"), implies=self.IMPLIES, scopes=["pool", "loop"])

    def test_no_scope_is_implied_unless_configured(self):
        refusal(token(scope="files:write"), scopes=["files:read"])


class TestRoles:
    """Claims of RFC 9068 section 2.2.3.1. The challenge names no scope, because none would help (A-05, A-06)."""

    @pytest.mark.parametrize("claim", ["roles", "groups", "entitlements"])
    def test_one_of_the_listed_values_is_needed(self, claim):
        rule = {f"any_{claim}": ["admin", "owner"]}

        allow(token(**{claim: ["owner", "x"]}), **rule)
        for values in ([], ["Admin"], ["adm"], ["x"]):
            assert type(refusal(token(**{claim: values}), **rule)) is Forbidden

    @pytest.mark.parametrize("roles", [..., "admin", {"admin": True}, ["admin", 5], [["admin"]], None, 5, True])
    def test_a_claim_that_is_no_list_of_strings_has_no_role(self, roles):
        assert type(refusal(token(roles=roles), any_roles=["admin"])) is Forbidden

    def test_one_string_is_one_role(self):
        allow(token(roles=["site admin"]), any_roles="site admin")
        refusal(token(roles=["site"]), any_roles="site admin")

    def test_scopes_are_checked_before_roles(self):
        assert type(refusal(token(scope="x", roles=[]), scopes="a", any_roles="admin")) is InsufficientScope


class TestConcealing:
    """404 instead of 403 (A-07)."""

    @pytest.mark.parametrize("rule", [{"scopes": ["a"]}, {"any_roles": ["admin"]}])
    def test_a_concealed_operation_is_404_without_the_scope(self, rule):
        error = refusal(token(scope="x"), denial="not_found", **rule)

        assert type(error) is ConcealedResource
        assert error.required_scopes == ()

    def test_a_concealed_operation_is_allowed_with_the_scope(self):
        allow(token(scope="a"), scopes=["a"], denial="not_found")


@pytest.mark.parametrize("name", ["scopes", "any_scopes"])
@pytest.mark.parametrize("value", [["a b"], [5], [None], 5, *[[text] for text in FORBIDDEN_TEXTS]])
def test_a_rule_that_no_token_can_meet_is_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        Requirement(**{name: value})


@pytest.mark.parametrize("name", ["any_roles", "any_groups", "any_entitlements"])
@pytest.mark.parametrize("value", [[""], [5], ["a", "a"]])
def test_roles_must_be_strings(name, value):
    with pytest.raises(ConfigurationError, match=name):
        Requirement(**{name: value})


@pytest.mark.parametrize("name", ["any_scopes", "any_roles", "any_groups", "any_entitlements"])
@pytest.mark.parametrize("value", ["", [], (), iter(())])
def test_a_rule_of_alternatives_must_not_be_empty(name, value):
    with pytest.raises(ConfigurationError, match=name):
        Requirement(**{name: value})


def test_an_exhausted_generator_is_refused():
    scopes = (scope for scope in ["orders:write"])
    assert Requirement(scopes=scopes).scopes == ("orders:write",)

    with pytest.raises(ConfigurationError, match="scopes= is an exhausted iterator"):
        Requirement(scopes=scopes)


def test_an_empty_string_does_not_mean_no_scopes():
    with pytest.raises(ConfigurationError, match="scopes="):
        Requirement(scopes="")


def test_denial_must_be_one_of_two_values():
    with pytest.raises(ConfigurationError, match="denial="):
        Requirement(denial="404")


def test_a_rule_without_a_token_is_missing_credentials():
    with pytest.raises(MissingCredentials):
        ResourceServer(make_verifier()).enforce(None, Requirement())


def test_the_repr_of_a_rule_shows_its_demands():
    assert repr(Requirement(scopes="a", any_scopes="b c")) == "<Requirement scopes=('a',) any_scopes=('b', 'c')>"


def test_a_rule_must_not_require_offline_access():
    for rules in ({"scopes": ["orders:read", "offline_access"]}, {"any_scopes": ["offline_access"]}):
        with pytest.raises(ConfigurationError, match="offline_access"):
            Requirement(**rules)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("scope", "there is no rule scope=; did you mean scopes=?"),
        ("any_role", "there is no rule any_role=; did you mean any_roles=?"),
        ("x", "there is no rule x="),
    ],
)
def test_an_unknown_rule_is_refused_with_a_suggestion(name, told):
    with pytest.raises(ConfigurationError) as refused:
        Requirement(**{name: ["orders:read"]})

    assert str(refused.value) == told
