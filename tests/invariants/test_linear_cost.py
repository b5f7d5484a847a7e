"""Untrusted input takes time in proportion to its length.

Every regular expression of the sources and every parser of untrusted text receives input that makes backtracking and
repeated reading expensive.
"""

import ast
import base64
import importlib
import json
import re
import signal
from functools import partial
from importlib.util import find_spec
from itertools import product
from unicodedata import normalize

import pytest
from tests.support import growth
from tests.support.growth import NeverEnds, assert_linear
from tests.support.needs import missing, reason_for
from tests.support.sources import source_files
from tests.support.tokens import SECRET_KEY, Verbatim, claims_for, header_for, make_verifier, signed

from gatepass import CookieTransport, Key, KeySet, ResourceServer, TokenEndpoints
from gatepass.adapter import BrowserRequest, JWKSEndpoint
from gatepass.common.scope import scope_tokens
from gatepass.common.settings import https_url
from gatepass.http.bearer import bearer_token
from gatepass.http.cookies import cookie_token
from gatepass.jose.compact import MAX_TOKEN_LENGTH, parse_compact
from gatepass.jose.strict_json import parse_object
from gatepass.jwks.http import fetchable, freshness_lifetime, read_key_set
from gatepass.keys.secret import check_secret
from gatepass.refresh import RefreshToken
from gatepass.refresh.rotation import RefreshRequest
from gatepass.testing.base import make_family
from gatepass.token_endpoint.client_auth import ClientAuthentication
from gatepass.token_endpoint.form import MAX_FORM_LENGTH, Form
from gatepass.tokens.explain import explain

FIELD = 65_536
"""The length of one header field: more than any server passes on."""


# --- every regular expression

SOURCES = {module: path.read_text(encoding="utf-8") for module, path in source_files().items()}
WAYS = {
    "fullmatch": re.Pattern.fullmatch,
    "match": re.Pattern.match,
    "search": re.Pattern.search,
    **dict.fromkeys(("sub", "findall", "finditer"), lambda expression, text: sum(1 for _ in expression.finditer(text))),
}


def expressions():
    """Each module-level `NAME = re.compile(...)` of the sources, with every method of it that the sources call."""
    for module, text in SOURCES.items():
        for statement in ast.parse(text).body:
            value = getattr(statement, "value", None)
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "re.compile":
                targets = getattr(statement, "targets", None) or [statement.target]
                name = targets[0].id
                callers = [text] if name.startswith("_") else SOURCES.values()
                ways = {way for caller in callers for way in re.findall(rf"\b{name}\.(\w+)\(", caller)}
                for way in ways or {"fullmatch"}:  # some are passed to a function that matches the whole text
                    yield module, name, way


EXPRESSIONS = sorted(expressions())
BEGINNINGS = {
    "_ORIGIN": "https://a",
    "_URL": "https://a/",
    "_NAME": "__Host-",
    "_ERROR": 'error="',
    "_TEXTUAL_KEY": "x ",
}
"""The prefix that an expression needs before it reaches its repetitions."""


def test_every_regular_expression_is_a_module_constant_and_tested_here():
    for module, text in SOURCES.items():
        calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        judged = {name for other, name, _ in EXPRESSIONS if other == module}
        assert [name for name in calls if name.startswith("re.")] == ["re.compile"] * len(judged), module


def pumps(expression):
    """Return what to repeat: the words, signs and blanks of the expression itself, alone and in pairs."""
    source = expression.pattern if isinstance(expression.pattern, str) else expression.pattern.decode("latin-1")
    plain = re.sub(r"\\x[0-9A-Fa-f]{2}|\\[A-Za-z]", "", source)  # \b is no letter
    words = {word for word in re.findall(r"[A-Za-z][A-Za-z0-9=-]+", plain) if len(word) > 2}
    signs = set(re.sub(r"[\w()|?{}^$]", "", source)) | set(' \t\\";,aA0')
    parts = sorted(words | signs)
    yield from parts
    yield from ("".join(pair) for pair in product(parts, repeat=2) if pair[0] != pair[1])


def judge(expression, way, beginning="", size=4_000):
    octets = isinstance(expression.pattern, bytes)
    for pump, end in product(pumps(expression), ("", "\x01")):

        def hostile(length, pump=pump, end=end):
            text = beginning + pump * (length // len(pump)) + end
            return text.encode("latin-1") if octets else text

        assert_linear(lambda text: WAYS[way](expression, text), hostile, size)


@pytest.mark.parametrize(("module", "name", "way"), EXPRESSIONS)
def test_a_regular_expression_takes_linear_time(module, name, way):
    for package, needed in (("gatepass_django", "django"), ("gatepass.cli", "rich")):
        if module.startswith(package) and find_spec(needed) is None:
            missing("every extra and group", f"{needed} is not installed")
    expression = getattr(importlib.import_module(module), name)

    for beginning in {"", BEGINNINGS.get(name, "")}:
        judge(expression, way, beginning)


@pytest.fixture
def impatient(monkeypatch):
    """Judge after the least number of rounds, and interrupt early: the work under judgement is known to be too slow."""
    monkeypatch.setattr(growth, "_MEASURED", 0.1)
    monkeypatch.setattr(growth, "_LIMIT", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("source", "way"),
    [
        (r'(?:[ \t]*;[ \t]*(?:charset=(?:"utf-8"|utf-8))?)*[ \t]*', "fullmatch"),
        (r"\bBEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE)\b", "search"),
        (r"(?:ssh-|ecdsa-sha2-)[a-z0-9@.-]+[ \t]", "search"),
        (r'"(?:[^"\\]|\\.)*"', "sub"),
        (r"(a|a)*b", "match"),
        (r"[ \t]*,[ \t]*$", "search"),
    ],
    ids=["media type", "PEM label", "SSH key", "string", "alternatives", "blanks"],
)
def test_a_regular_expression_that_takes_longer_is_detected(source, way):
    """Each of these was once in these sources, or is in those of other projects."""
    with pytest.raises(AssertionError, match=r"grows faster|was not enough"):
        judge(re.compile(source, re.IGNORECASE | re.DOTALL), way)


# --- every parser of untrusted text

FIELD_PUMPS = [
    "; ", ";", ";\t", '; charset="utf-8"', "; charset=utf-8", ", ", ",", ",\t", '"', '\\"', '"\\', '"a", ', 'W/"a" , ', "a=b; ", "a=", "=",
    "Bearer a, ", "Bearer ", "Basic a ", " ", "\t", "a", "a ", "/", ".", "-", "%", "%41", "+", "é", "\u0301\u0316", "__Host-access=a; ", "__Host-access=a,",
]  # fmt: skip
FORM_PUMPS = ["&", "a&", "a=&", "=", "%", "%41", "+", ";", "access_token=a&", "token=a&", "client_id=a&", "&&a=%zz"]
JSON_PUMPS = [
    '{"a":', "[", '"', '\\"', '"\\', "\\u0041", "\\ud800", "9", "-", "1e", " ", "\n", ",", '"a":1,', "[],", "{},", '{"a":[', "é", "\0", ":",
]  # fmt: skip
SECRET_PUMPS = [
    "BEGIN ", "-----BEGIN ", "ssh-", "ssh-a", "ecdsa-sha2-", "kty", 'kty"', "kty ", "MC", "MIIB", "MCMC\n", "<a", "<a:", "aBcDeFgH", "abcdefgh1",
    "abcdefghi", "/", "/a", ".a", "/etc/a", "a.pem", "~", '"', "{", "[", " ", "\0", "\0\0\0\x07ssh-", "\\n", "0", "0:", "ab:", "=", "Bearer ", "a.b",
    "changem", "qwertyuio", "://", "http://",
]  # fmt: skip
COOKIES = CookieTransport(origins=["https://app.example"])
SERVER = ResourceServer(make_verifier(keys=SECRET_KEY), cookies=COOKIES)
VERIFIER = make_verifier(keys=SECRET_KEY)
ENDPOINT = JWKSEndpoint(Key.generate("ES256"))
CLIENTS = ClientAuthentication(lambda client_id, secret: False, own=None)
NO_FORM = Form({})


def browser(**lines):
    return BrowserRequest(method="POST", **{name: (text,) for name, text in lines.items()})


FIELD_READERS = {
    "Authorization": lambda text: bearer_token([text]),
    "Authorization of a scheme": lambda text: bearer_token([f"Bearer {text}"]),
    "Authorization in many lines": lambda text: bearer_token(text.split(" ")),
    "Authorization of a client": lambda text: CLIENTS.client([text], NO_FORM),
    "Basic": lambda text: CLIENTS.client([f"Basic {base64.b64encode(text.encode()).decode()}"], NO_FORM),
    "Basic, as it stands": lambda text: CLIENTS.client([f"Basic {text}"], NO_FORM),
    "Content-Type": lambda text: Form.parse(text, b""),
    "Content-Type of a form": lambda text: Form.parse(f"application/x-www-form-urlencoded{text}", b""),
    "Cookie": lambda text: cookie_token([text], "__Host-access"),
    "Cookie in many lines": lambda text: cookie_token(text.split(" "), "__Host-access"),
    "Cookie and Origin": lambda text: COOKIES.access_token(browser(cookie="__Host-access=a", origin=text)),
    "Upgrade": lambda text: COOKIES.access_token(browser(cookie="__Host-access=a", upgrade=text)),
    "If-None-Match": lambda text: ENDPOINT.answer("GET", if_none_match=[text]),
    "If-None-Match in many lines": lambda text: ENDPOINT.answer("GET", if_none_match=text.split(" ")),
    "X-Forwarded-For": lambda text: SERVER.authenticate(["Bearer a.b.c"], url_scheme=text, peer=text),
    "Content-Length": lambda text: TokenEndpoints.announces_body([text]),
    "Cache-Control of a key server": lambda text: freshness_lifetime(text, ""),
    "Age of a key server": lambda text: freshness_lifetime("max-age=5", text),
    "max-age of a key server": lambda text: freshness_lifetime(f"max-age={text}", ""),
    "jwks_uri": lambda text: fetchable(f"https://a/{text}", None),
    "host of a jwks_uri": lambda text: fetchable(f"https://{text}", None),
    "issuer": lambda text: https_url(f"https://{text}", "issuer"),
    "scope": scope_tokens,
    "refresh token": RefreshToken.parse,
    "kid": lambda text: VERIFIER.verify(signed(header_for(SECRET_KEY, kid=text), key=SECRET_KEY)),
    "a token's text": lambda text: explain(text, VERIFIER),
}
FORM_READERS = {
    "form of a token request": lambda text: Form.parse("application/x-www-form-urlencoded", text.encode()),
}
JSON_READERS = {
    "JSON": lambda text: parse_object(text.encode()),
    "JSON object": lambda text: parse_object(b'{"a":' + text.encode() + b"}"),
    "JWK Set": lambda text: read_key_set(b'{"keys":[' + text.encode() + b"]}", algorithms=frozenset(["ES256"])),
    "header": lambda text: VERIFIER.verify(signed(Verbatim('{"alg":' + text + "}"), key=SECRET_KEY)),
    "claims": lambda text: VERIFIER.verify(
        signed(header_for(SECRET_KEY), Verbatim('{"a":' + text + "}"), key=SECRET_KEY)
    ),
}
WHOLE_CLAIMS = {
    "many members": lambda size: {f"a{number}": 1 for number in range(size // 8)},
    "many scopes": lambda size: {"scope": " ".join(f"s{number}" for number in range(size // 5))},
    "one scope": lambda size: {"scope": "s" * size},
    "blanks": lambda size: {"scope": " " * size},
    "many audiences": lambda size: {"aud": [f"a{number}" for number in range(size // 8)]},
    "many roles": lambda size: {"roles": [f"r{number}" for number in range(size // 8)]},
    "long subject": lambda size: {"sub": "a" * size},
    "long number": lambda size: {"exp": 10 ** min(size, 4_000)},
}


@pytest.mark.parametrize("pump", FIELD_PUMPS)
@pytest.mark.parametrize("reader", FIELD_READERS)
def test_a_header_field_or_a_parameter_is_parsed_in_linear_time(reader, pump):
    for end in ("", "\x01"):
        assert_linear(FIELD_READERS[reader], lambda size, end=end: pump * (size // len(pump)) + end, FIELD)


def read_again_and_again(text):
    for _ in text[::64]:
        for _ in text:
            pass


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("reader", "pump"), [(read_again_and_again, "a"), (partial(normalize, "NFKC"), "\u0301\u0316")]
)
def test_a_parser_that_takes_longer_is_detected(reader, pump):
    with pytest.raises(AssertionError, match=r"grows faster|was not enough"):
        assert_linear(reader, lambda size: pump * (size // len(pump)), 8_192)


@pytest.mark.parametrize("pump", FORM_PUMPS)
@pytest.mark.parametrize("reader", FORM_READERS)
def test_a_form_is_parsed_in_linear_time(reader, pump):
    assert_linear(FORM_READERS[reader], lambda size: pump * (size // len(pump)), MAX_FORM_LENGTH)


@pytest.mark.parametrize("pump", JSON_PUMPS)
@pytest.mark.parametrize("reader", JSON_READERS)
def test_json_is_parsed_in_linear_time(reader, pump):
    size = 12_000 if reader in ("header", "claims") else FIELD
    for end in ("", '"'):
        assert_linear(JSON_READERS[reader], lambda size, end=end: pump * (size // len(pump)) + end, size)


@pytest.mark.parametrize("claims", WHOLE_CLAIMS)
def test_a_signed_token_is_checked_in_linear_time(claims):
    def hostile(size):
        return signed(header_for(SECRET_KEY), {**claims_for(), **WHOLE_CLAIMS[claims](size)}, key=SECRET_KEY)

    assert len(hostile(8_000)) <= MAX_TOKEN_LENGTH
    assert_linear(VERIFIER.verify, hostile, 8_000)


def test_the_scope_of_a_refresh_is_checked_in_linear_time():
    def narrowed(scope):
        request = RefreshRequest(token="", client_id="", scope=scope, audience=None, now=0, on_reuse=print)
        return request.within(make_family(scope=scope).family)

    assert narrowed("a b") == "a b"
    assert_linear(narrowed, lambda size: " ".join(f"s{number}" for number in range(size // 6)), FIELD)


@pytest.mark.parametrize("pump", [".", "a.", "a", "-", "=", "é", "\0"])
def test_a_token_is_split_in_linear_time(pump):
    assert_linear(parse_compact, lambda size: pump * (size // len(pump)), MAX_TOKEN_LENGTH)


@pytest.mark.parametrize("kind", ["ES256", "RS256"])
def test_a_key_set_is_parsed_in_linear_time(kind):
    jwk = Key.generate(kind).to_jwk()

    def hostile(size):
        entries = [{**jwk, "kid": f"k{number % 7}"} for number in range(size)]
        return json.dumps({"keys": entries})

    assert_linear(KeySet.from_jwks, hostile, 200)


@pytest.mark.parametrize("pump", SECRET_PUMPS)
def test_a_secret_is_checked_in_linear_time(pump):
    def check(text):
        check_secret(text.encode(), algorithm="HS256", minimum=32)

    for beginning, end in product(("", "kXq2Zr8v"), ("", "!", "kXq2Zr8v")):
        assert_linear(check, lambda size, b=beginning, e=end: b + pump * (size // len(pump)) + e, 32_000)


@pytest.mark.usefixtures("impatient")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason=reason_for("POSIX", "a timer interrupts"))
def test_work_that_never_ends_is_interrupted():
    with pytest.raises(NeverEnds):
        assert_linear(re.compile(r"(a|a)*b").fullmatch, lambda size: "a" * size, 160)
