"""The log detail of a refusal: one constant text for each check, without any input."""

import pytest
from tests.support.tokens import NOW, SIGNING_KEY, Clock, claims_for, header_for, make_verifier, signed

from gatepass import ANY_ISSUER, Key, KeySet, Profile
from gatepass.errors import AuthError
from gatepass.http.bearer import bearer_token
from gatepass.jose.compact import MAX_TOKEN_LENGTH, decode_base64url

GOOD = signed()


def told(refuse) -> str:
    with pytest.raises(AuthError) as refused:
        refuse()
    return f"{type(refused.value).__name__}: {refused.value.log_detail}"


@pytest.mark.parametrize(
    ("lines", "detail"),
    [
        ([], "MissingCredentials: "),
        (["Basic abc"], "UnsupportedScheme: "),
        (["a.b.c"], "UnsupportedScheme: a token without a scheme before it: write Bearer"),
        (["Bearer a b"], "MalformedCredentials: "),
        (["Bearer a", "Bearer b"], "MultipleTokens: more than one set of credentials"),
        (["Bearer " + "a" * (MAX_TOKEN_LENGTH + 64)], "MalformedToken: longer than any token"),
        (["Basic " + "a" * (MAX_TOKEN_LENGTH + 64)], "UnsupportedScheme: "),
    ],
)
def test_of_the_credentials(lines, detail):
    assert told(lambda: bearer_token(lines)) == detail


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        ("a" * (MAX_TOKEN_LENGTH + 1), "MalformedToken: not a token, or too long"),
        ("é.é.é", "MalformedToken: not a token, or too long"),
        (b"a.b.c", "MalformedToken: not a token, or too long"),
        ("a.b", "MalformedToken: not three segments"),
        ("a.b.c.d", "MalformedToken: not three segments"),
        ("a.b.c.d.e", "UnsupportedToken: five segments: an encrypted token"),
        ("a.b.c.d.e.f", "MalformedToken: not three segments"),
        (GOOD[:-1] + "B", "MalformedToken: not canonical base64url"),
        (GOOD[:-20] + "!" + GOOD[-19:], "MalformedToken: not base64url"),
        (signed(claims=[1]), "MalformedToken: not a strict JSON object"),
        (signed(header=b"\xff"), "MalformedToken: not a strict JSON object"),
    ],
)
def test_of_the_structure(token, detail):
    assert told(lambda: make_verifier().verify(token)) == detail


def test_of_one_segment():
    assert told(lambda: decode_base64url(b"QR")) == "MalformedToken: not canonical base64url"
    assert told(lambda: decode_base64url(b"a!==")) == "MalformedToken: not base64url"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"crit": ["x"]}, "UnsupportedToken: a critical header extension"),
        ({"b64": True}, "UnsupportedToken: a critical header extension"),
        ({"cty": "JWT"}, "UnsupportedToken: a nested token"),
        ({"typ": "JWT"}, "WrongTokenType: typ"),
        ({"typ": ...}, "WrongTokenType: typ"),
        ({"typ": 5}, "WrongTokenType: typ is not a string"),
        ({"alg": "HS256"}, "DisallowedAlgorithm: alg"),
        ({"alg": ...}, "DisallowedAlgorithm: alg"),
        ({"kid": 5}, "MalformedToken: kid is not a short string"),
        ({"kid": "k" * 1025}, "MalformedToken: kid is not a short string"),
        ({"kid": "k" * 1024}, "UnknownKey: kid"),
        ({"kid": "other"}, "UnknownKey: kid"),
    ],
)
def test_of_the_header(changes, detail):
    assert told(lambda: make_verifier().verify(signed(header=header_for(**changes)))) == detail


def test_of_the_key():
    other = Key.generate("ES384")
    two = make_verifier(keys=KeySet([SIGNING_KEY.public(), other.public()]))
    several = [Key.generate("ES256").public() for _ in range(5)]
    without = signed(header=header_for(kid=...))

    assert (
        told(lambda: two.verify(signed(header=header_for(kid=other.kid))))
        == "DisallowedAlgorithm: alg is not the key's"
    )
    assert told(lambda: make_verifier(keys=several).verify(without)) == (
        "UnknownKey: no kid, and no key or too many keys to try"
    )
    assert told(lambda: make_verifier(keys=several[:4]).verify(without)) == "InvalidSignature: "


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"iss": ...}, "MissingClaim: iss"),
        ({"iss": 5}, "InvalidClaim: iss is not a string"),
        ({"iss": None}, "InvalidClaim: iss is not a string"),
        ({"iss": "https://auth.example/"}, "InvalidIssuer: iss"),
        ({"exp": ...}, "MissingClaim: exp"),
        ({"exp": "1"}, "InvalidClaim: exp is not a date"),
        ({"exp": NOW}, "ExpiredToken: exp"),
        ({"iat": ...}, "MissingClaim: iat"),
        ({"iat": "1"}, "InvalidClaim: iat is not a date"),
        ({"iat": NOW + 1}, "ImmatureToken: iat"),
        ({"nbf": None}, "InvalidClaim: nbf is not a date"),
        ({"nbf": NOW + 1}, "ImmatureToken: nbf"),
        ({"aud": 5}, "InvalidClaim: aud is neither a string nor a list of strings"),
        ({"aud": None}, "InvalidClaim: aud is neither a string nor a list of strings"),
        ({"aud": ["https://api.example", 5]}, "InvalidClaim: aud is neither a string nor a list of strings"),
        ({"aud": ...}, "InvalidAudience: aud"),
        ({"aud": []}, "InvalidAudience: aud"),
        ({"sub": ...}, "MissingClaim: sub"),
        ({"client_id": ...}, "MissingClaim: client_id"),
        ({"jti": ...}, "MissingClaim: jti"),
        ({"sub": 5}, "InvalidClaim: sub is not a string, or empty"),
        ({"client_id": ""}, "InvalidClaim: client_id is not a string, or empty"),
        ({"jti": None}, "InvalidClaim: jti is not a string, or empty"),
        ({"scope": []}, "InvalidClaim: scope is not a string"),
        ({"scope": {}}, "InvalidClaim: scope is not a string"),
        (
            {"scope": ["orders:read"]},
            'InvalidClaim: scope is not a string: it is a list, which a profile with scopes_in("scope") takes',
        ),
        ({"scope": "a  b"}, "InvalidClaim: scope is not a string of scope tokens"),
        ({"cnf": "x"}, "InvalidClaim: cnf is not an object"),
        ({"cnf": {"jkt": "x"}}, "BindingError: cnf"),
        ({"cnf": {"x5t#S256": "x"}}, "BindingError: cnf"),
    ],
)
def test_of_the_claims(changes, detail):
    assert told(lambda: make_verifier().verify(signed(claims=claims_for(**changes)))) == detail


def test_of_the_maximum_age():
    verifier = make_verifier(max_token_age=10, clock=Clock(NOW + 10))

    assert told(lambda: verifier.verify(GOOD)) == "ExpiredToken: older than max_token_age"


def test_of_an_issuer_that_is_no_text_where_any_issuer_is_accepted():
    verifier = make_verifier(issuer=ANY_ISSUER)

    assert told(lambda: verifier.verify(signed(claims=claims_for(iss=5)))) == "InvalidClaim: iss is not a string"
    assert verifier.verify(signed(claims=claims_for(iss=...))).claims["sub"] == "anna"
    assert verifier.verify(signed(claims=claims_for(iss="another"))).claims["iss"] == "another"


def test_of_another_type_of_token():
    verifier = make_verifier(profile=Profile.GENERIC)
    plain = header_for(typ=...)

    assert told(lambda: verifier.verify(signed(plain, claims_for(nonce="n")))) == (
        "WrongTokenType: a claim of another kind of token"
    )
    assert told(lambda: verifier.verify(signed(plain, claims_for(token_use="id")))) == (
        "WrongTokenType: the payload names another kind of token"
    )
