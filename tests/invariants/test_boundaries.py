"""Exact boundaries: the last value that is accepted and the first one that is not."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from tests.support.keys import refusal
from tests.support.tokens import NOW, SECRET_KEY, Clock, claims_for, header_for, make_verifier, signed

from gatepass import ANY_ISSUER, Key, Profile
from gatepass.errors import (
    ExpiredToken,
    ImmatureToken,
    InvalidClaim,
    InvalidSignature,
    MalformedToken,
    MissingClaim,
    RevokedToken,
    UnknownKey,
    UnsupportedScheme,
    WrongTokenType,
)
from gatepass.http.bearer import bearer_token
from gatepass.jose.compact import MAX_TOKEN_LENGTH, split_compact
from gatepass.jose.strict_json import parse_object

ROOM = MAX_TOKEN_LENGTH + 64


@pytest.mark.parametrize("token", ["X", "XXX", "XabcX", "Xa.bX.c", "-", "_", "~", "+", "/", "a=", "a=="])
def test_every_character_of_a_token_is_extracted(token):
    """RFC 6750 section 2.1: b64token."""
    assert bearer_token([f"Bearer {token}"]) == token
    assert bearer_token([f"Bearer   {token} "]) == token


def test_a_field_of_exactly_the_maximum_length_is_read_and_surrounding_blanks_do_not_count():
    longest = "a" * (ROOM - len("Bearer "))

    assert bearer_token([f"Bearer {longest}"]) == longest
    assert bearer_token([f"\tBearer {longest}\t"]) == longest
    with pytest.raises(MalformedToken):
        bearer_token([f"Bearer {longest}a"])


@pytest.mark.parametrize("line", ['Digest a,b "q"', 'Digest x="a", y "b"', 'Digest x="a, Bearer b"'])
def test_a_quoted_string_is_not_a_second_set_of_credentials(line):
    with pytest.raises(UnsupportedScheme):
        bearer_token([line])


def test_a_hook_receives_the_verified_token_on_every_path():
    seen = []
    verifier = make_verifier(is_revoked=lambda token: bool(seen.append(token.subject)))
    parts = split_compact(signed())

    async def run_blocking(function, *arguments):
        return function(*arguments)

    async def every_way():
        await verifier.verify_async(signed(), run_blocking=run_blocking)
        await verifier.verify_parsed_async(parts, run_blocking)

    verifier.verify(signed())
    verifier.verify_parsed(parts)
    asyncio.run(every_way())

    assert seen == ["anna"] * 4


def test_a_hook_can_reject_the_token_on_every_path():
    verifier = make_verifier(is_revoked=lambda token: token.subject == "anna")
    parts = split_compact(signed())

    for verify in (lambda: verifier.verify(signed()), lambda: verifier.verify_parsed(parts)):
        with pytest.raises(RevokedToken):
            verify()


FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # for the years 1 and 9999


@pytest.mark.parametrize("changes", [{}, {"nbf": FIRST_SECOND}])
def test_a_date_must_fit_into_a_datetime(changes):
    """V-29: on the fast path and on the others."""
    verify = make_verifier().verify

    token = verify(signed(claims=claims_for(exp=LAST_SECOND, iat=FIRST_SECOND, **changes)))

    assert token.expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert token.issued_at == datetime(1, 1, 1, tzinfo=UTC)
    for beyond in ({"exp": LAST_SECOND + 1}, {"iat": FIRST_SECOND - 1}):
        with pytest.raises(InvalidClaim):
            verify(signed(claims=claims_for(**{**changes, **beyond})))


def test_headers_of_valid_tokens_are_cached_with_their_key_up_to_128():
    """The cache must not grow with what a client writes into a signed header."""
    verifier = make_verifier(keys=SECRET_KEY)
    for number in range(300):
        token = signed(header_for(SECRET_KEY, serial=number), key=SECRET_KEY)
        assert verifier.verify(token).subject == "anna"
        assert verifier._snapshot.keys_by_header[token.partition(".")[0].encode()] == (SECRET_KEY,)
        assert len(verifier._snapshot.keys_by_header) <= 128


def test_a_cached_header_is_not_looked_up_again():
    verifier, token = make_verifier(keys=SECRET_KEY), signed(key=SECRET_KEY)
    verifier.verify(token)
    verifier._snapshot.keys_by_header[token.partition(".")[0].encode()] = (Key.generate("HS256"),)

    with pytest.raises(InvalidSignature):
        verifier.verify(token)


def test_without_kid_an_allowed_algorithm_without_a_key_is_an_unknown_key():
    verifier = make_verifier(algorithms=["ES256", "ES384"])

    with pytest.raises(UnknownKey):
        verifier.verify(signed(header_for(kid=..., alg="ES384")))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"keys": None, "issuer": ANY_ISSUER},
            "keys= is missing, and can be fetched only from an issuer with a URL: give keys=",
        ),
        ({"profile": "rfc9068"}, "profile= must be a Profile, such as Profile.RFC9068 or Profile.GENERIC"),
        *(
            ({"trial_keys": value}, "trial_keys= must be a number from 0 to 16")
            for value in (-1, 17, True, "4", 2.5, None)
        ),
        *(
            ({"max_token_age": value}, "max_token_age= must be a timedelta or a number from 1 to 31622400 seconds")
            for value in (0, 0.999, 31_622_401, "1")
        ),
        ({"leeway": 301}, "leeway= must be a timedelta or a number from 0 to 300 seconds"),
        *(
            (
                {"audience": value},
                "audience= is missing: name this service, or use ANY_AUDIENCE to accept tokens made for others",
            )
            for value in (None, "", [])
        ),
        *(({"algorithms": value}, 'algorithms= takes a list, such as algorithms=["ES256"]') for value in ("ES256", 5)),
        *(
            (
                {"algorithms": value},
                "algorithms= leaves out the algorithm of one of the keys: add it, or drop the key",
            )
            for value in ([], ["RS256"])
        ),
        *(
            (
                {"issuer": value, "profile": Profile.GENERIC},
                "issuer= must be an https URL such as https://auth.example.com (http is not accepted)",
            )
            for value in ("http://auth.example", "ftp://auth.example")
        ),
        (
            {"issuer": "accounts.example"},
            "issuer= must be an https URL such as https://auth.example.com (http is not accepted)",
        ),
    ],
)
def test_an_invalid_verifier_setting_raises_an_error_that_says_what_to_do(changes, sentence):
    """Rule 3, V-25, V-28."""
    assert refusal(lambda: make_verifier(**changes)) == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"trial_keys": 0},
        {"trial_keys": 16},
        {"max_token_age": 1},
        {"max_token_age": 31_622_400},
        {"leeway": 300},
        {"algorithms": ["ES256"]},
        {"algorithms": {"ES256", "RS256"}},
        {"issuer": "accounts.example", "profile": Profile.GENERIC},
    ],
)
def test_the_bounds_of_verifier_settings_are_inclusive(changes):
    assert make_verifier(**changes).algorithms >= {"ES256"}


def nested(depth: int, *, side: str = "") -> bytes:
    """Return an object with nested lists to *depth*, with *side* before each inner one."""
    lists = depth - 1
    return ('{"a":' + f"[{side}" * lists + "0" + "]" * lists + "}").encode()


@pytest.mark.parametrize("side", ["", "[],", "[],[],", '{"b":[]},', '"]]]]",', '"[[[[",', r'"\"[[[[",'])
def test_nesting_depth_ignores_brackets_inside_strings(side):
    """B5: closed lists and brackets in strings do not count."""
    room = {"": 0, "[],": 1, "[],[],": 1, '{"b":[]},': 2}.get(side, 0)

    assert parse_object(nested(32 - room, side=side))
    with pytest.raises(MalformedToken):
        parse_object(nested(32 - room + 1, side=side))


@pytest.mark.parametrize("changes", [{}, {"nbf": NOW}])
def test_leeway_widens_the_age_that_a_token_may_have(changes):
    """V-28, V-30: clocks may also differ at the start of the age."""
    token = signed(claims=claims_for(**changes))

    def verify_at(now):
        return make_verifier(max_token_age=10, leeway=5, clock=Clock(now)).verify(token)

    assert verify_at(NOW + 14).subject == "anna"
    with pytest.raises(ExpiredToken):
        verify_at(NOW + 15)


def test_every_check_has_a_name_and_a_fixed_position():
    """V-39: the order of the checks."""
    names = ["issuer", "expiry", "start", "age", "audience", "identifiers", "scope", "token kind", "binding"]
    plain = [name for name in names if name not in {"age", "token kind"}]

    assert [check.name for check in make_verifier().named_checks] == plain
    generic = make_verifier(profile=Profile.GENERIC, max_token_age=60)
    assert [check.name for check in generic.named_checks] == names


@pytest.mark.parametrize(
    "rule",
    [{"prohibited": frozenset({"nonce"})}, {"use_claims": frozenset({"nonce"}), "rejected_uses": frozenset({"id"})}],
)
def test_either_rule_is_enough_to_reject_another_kind_of_token(rule):
    """V-21."""
    profile = dataclasses.replace(Profile.RFC9068, **rule)

    with pytest.raises(WrongTokenType):
        make_verifier(profile=profile).verify(signed(claims=claims_for(nonce="id")))
    assert make_verifier(profile=profile).verify(signed()).subject == "anna"


def test_nbf_is_checked_without_iat():
    """V-27: nbf without iat, as the generic profile allows."""
    verifier, plain = make_verifier(profile=Profile.GENERIC), header_for(typ=...)

    assert verifier.verify(signed(plain, claims_for(iat=..., nbf=NOW))).subject == "anna"
    with pytest.raises(ImmatureToken):
        verifier.verify(signed(plain, claims_for(iat=..., nbf=NOW + 1)))


def test_a_claim_that_a_profile_adds_is_required():
    """V-31."""
    profile = dataclasses.replace(Profile.RFC9068, required=Profile.RFC9068.required | {"tenant"})
    verifier = make_verifier(profile=profile)

    assert verifier.verify(signed(claims=claims_for(tenant="t"))).claims["tenant"] == "t"
    with pytest.raises(MissingClaim) as refused:
        verifier.verify(signed())
    assert refused.value.log_detail == "a further claim that the profile requires"


@pytest.mark.parametrize("octet", [octet for octet in range(256) if octet not in b" \t\r\n"])
def test_only_json_whitespace_may_surround_an_object(octet):
    """V-05, B3: RFC 8259 section 2 allows four characters."""
    strange = bytes([octet])

    assert parse_object(b' \t\r\n{"a":1} \t\r\n') == {"a": 1}
    for raw in (strange + b'{"a":1}', b'{"a":1}' + strange, b" " + strange + b'{"a":1}'):
        with pytest.raises(MalformedToken):
            parse_object(raw)
