"""The response to each refusal, written out (standards: the response table, C-01, C-02, C-12, C-13)."""

import json
import logging
import re

import pytest
from tests.support.tokens import make_verifier

from gatepass import AuthError, Challenge, ConfigurationError, ResourceServer, errors
from gatepass.errors import (
    AuthUnavailable,
    ConcealedResource,
    Forbidden,
    InsufficientScope,
    KeysUnavailable,
    MalformedCredentials,
    MissingCredentials,
    UnsupportedScheme,
)

METADATA = "https://api.example/.well-known/oauth-protected-resource"

TABLE = {
    "MissingCredentials": (401, None, None, "missing_credentials"),
    "UnsupportedScheme": (401, None, None, "unsupported_scheme"),
    "InvalidRequest": (400, "invalid_request", "The request is malformed", "invalid_request"),
    "MalformedCredentials": (400, "invalid_request", "The Authorization header is malformed", "malformed_credentials"),
    "MalformedCookie": (400, "invalid_request", "The Cookie header is malformed", "malformed_cookie"),
    "MultipleTokens": (400, "invalid_request", "More than one access token was sent", "multiple_tokens"),
    "InsecureTransport": (400, "invalid_request", "The access token was not sent over https", "insecure_transport"),
    "UntrustedOrigin": (403, "invalid_request", "The request does not come from an allowed origin", "untrusted_origin"),
    "InvalidToken": (401, "invalid_token", "The access token is invalid", "invalid_token"),
    "MalformedToken": (401, "invalid_token", "The access token is malformed", "malformed_token"),
    "UnsupportedToken": (401, "invalid_token", "The access token is malformed", "unsupported_token"),
    "DisallowedAlgorithm": (401, "invalid_token", "The access token algorithm is not accepted", "disallowed_algorithm"),
    "WrongTokenType": (401, "invalid_token", "The access token type is not accepted", "wrong_token_type"),
    "UnknownKey": (401, "invalid_token", "The access token was signed with an unknown key", "unknown_key"),
    "InvalidSignature": (401, "invalid_token", "The access token signature is invalid", "invalid_signature"),
    "ExpiredToken": (401, "invalid_token", "The access token expired", "expired_token"),
    "ImmatureToken": (401, "invalid_token", "The access token is not yet valid", "immature_token"),
    "InvalidIssuer": (401, "invalid_token", "The access token issuer is not accepted", "invalid_issuer"),
    "InvalidAudience": (401, "invalid_token", "The access token is not intended for this resource", "invalid_audience"),
    "MissingClaim": (401, "invalid_token", "A required claim is missing", "missing_claim"),
    "InvalidClaim": (401, "invalid_token", "A claim has an invalid value", "invalid_claim"),
    "InvalidSubject": (401, "invalid_token", "The access token subject is not accepted", "invalid_subject"),
    "RevokedToken": (401, "invalid_token", "The access token was revoked", "revoked_token"),
    "BindingError": (401, "invalid_token", "The access token is sender-constrained", "binding_required"),
    "Forbidden": (403, None, None, "forbidden"),
    "InsufficientScope": (403, "insufficient_scope", "The access token lacks a required scope", "insufficient_scope"),
    "ConcealedResource": (404, None, None, "concealed"),
    "AuthUnavailable": (503, "temporarily_unavailable", "The authorization service is temporarily unavailable", "unavailable"),
    "KeysUnavailable": (503, "temporarily_unavailable", "The authorization service is temporarily unavailable", "keys_unavailable"),
    "RevocationUnavailable": (503, "temporarily_unavailable", "The authorization service is temporarily unavailable", "revocation_unavailable"),
    "SubjectUnavailable": (503, "temporarily_unavailable", "The authorization service is temporarily unavailable", "subject_unavailable"),
}  # fmt: skip


def instance(name):
    kind = getattr(errors, name)
    return kind(("files:read", "files:write")) if issubclass(kind, InsufficientScope) else kind()


def make_server(**settings):
    return ResourceServer(make_verifier(), **settings)


def headers_of(error, **settings):
    return make_server(**settings).respond(error).headers


def all_errors(root=AuthError):
    return {
        kind.__name__
        for child in root.__subclasses__()
        for kind in [child, *map(errors.__dict__.get, all_errors(child))]
        if child.__module__.startswith("gatepass.")  # other tests may define error classes
    }


def test_the_table_has_every_error():
    assert set(TABLE) == all_errors()


@pytest.mark.parametrize("name", TABLE)
def test_each_error_has_its_status_code_text_and_reason(name):
    error = instance(name)

    assert (error.status, error.error, error.description, error.reason) == TABLE[name]
    assert str(error) == (error.description or error.reason)
    for text in (error.description, error.error):
        assert text is None or re.fullmatch(r"[\x20\x21\x23-\x5B\x5D-\x7E]+", text)


@pytest.mark.parametrize("name", TABLE)
def test_each_response_is_exact(name):
    status, code, description, _ = TABLE[name]
    answer = make_server(resource_metadata=METADATA).respond(instance(name))

    challenge = 'Bearer realm="api"'
    body = {
        "title": {
            400: "Bad Request",
            401: "Unauthorized",
            403: "Forbidden",
            404: "Not Found",
            503: "Service Unavailable",
        }[status]
    }
    body["status"] = status
    if code is not None:
        challenge += f', error="{code}", error_description="{description}"'
        body |= {"error": code, "error_description": description}
    if name == "InsufficientScope":
        challenge += ', scope="files:read files:write"'
    challenge += f', resource_metadata="{METADATA}"'
    raw = json.dumps(body, separators=(",", ":")).encode()
    expected = [] if status in (404, 503) else [("WWW-Authenticate", challenge)]
    expected += [("Retry-After", "5")] if status == 503 else []
    expected += [
        ("Cache-Control", "no-store"),
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(raw))),
    ]
    assert (answer.status, list(answer.headers), answer.body) == (status, expected, raw)


def test_a_head_request_gets_the_same_headers_and_no_body():
    server = make_server()
    answer, head = server.respond(MissingCredentials()), server.respond(MissingCredentials(), method="HEAD")

    assert answer.headers == head.headers
    assert (head.body, answer.body) == (b"", b'{"title":"Unauthorized","status":401}')


def test_challenge_scopes_are_sent_to_requests_without_a_token():
    settings = {"challenge_scopes": "orders:read orders:write"}

    assert headers_of(MissingCredentials(), **settings)[0][1] == 'Bearer realm="api", scope="orders:read orders:write"'
    assert headers_of(UnsupportedScheme(), **settings)[0][1] == 'Bearer realm="api", scope="orders:read orders:write"'
    assert "scope" not in headers_of(errors.ExpiredToken(), **settings)[0][1]
    assert 'scope="a"' in headers_of(InsufficientScope(("a",)), **settings)[0][1]


def test_other_schemes_are_offered_on_401_only():
    settings = {"extra_challenges": [Challenge("Basic", realm="legacy")]}

    for error in (MissingCredentials(), errors.ExpiredToken()):
        names = [name for name, _ in headers_of(error, **settings)]
        assert names[:2] == ["WWW-Authenticate", "WWW-Authenticate"]
        assert headers_of(error, **settings)[1][1] == 'Basic realm="legacy"'
    for error in (MalformedCredentials(), Forbidden(), KeysUnavailable(), ConcealedResource()):
        assert not any("Basic" in value for _, value in headers_of(error, **settings))


def test_a_service_may_name_its_metadata_instead_of_a_realm():
    assert (
        headers_of(MissingCredentials(), realm="", resource_metadata=METADATA)[0][1]
        == f'Bearer resource_metadata="{METADATA}"'
    )


def test_retry_after_is_the_value_of_the_error():
    assert ("Retry-After", "17") in headers_of(AuthUnavailable(retry_after=17))


class TestBodies:
    """Three body styles with the same content."""

    def test_the_oauth_style_repeats_the_challenge(self):
        answer = make_server(error_format="oauth").respond(errors.ExpiredToken())

        assert json.loads(answer.body) == {"error": "invalid_token", "error_description": "The access token expired"}
        assert ("Content-Type", "application/json") in answer.headers
        assert make_server(error_format="oauth").respond(MissingCredentials()).body == b"{}"

    def test_the_empty_style_has_no_body(self):
        answer = make_server(error_format="empty").respond(errors.ExpiredToken())

        assert answer.body == b""
        assert [name for name, _ in answer.headers] == ["WWW-Authenticate", "Cache-Control", "Content-Length"]

    def test_a_problem_base_gives_each_problem_a_type(self):
        server = make_server(problem_base="https://api.example/problems/")

        assert (
            json.loads(server.respond(errors.ExpiredToken()).body)["type"]
            == "https://api.example/problems/expired_token"
        )
        assert "type" not in json.loads(server.respond(MissingCredentials()).body)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[0] == 400])
def test_malformed_status_401_reports_400_errors_as_invalid_token(name):
    error = instance(name)
    answer = make_server(malformed_status=401).respond(error)

    assert answer.status == 401
    assert f'error="invalid_token", error_description="{error.description}"' in answer.headers[0][1]
    assert json.loads(answer.body)["error"] == "invalid_token"
    assert json.loads(answer.body)["status"] == 401


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[0] != 400])
def test_malformed_status_changes_no_other_response(name):
    error = instance(name)

    assert make_server(malformed_status=401).respond(error) == make_server().respond(error)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"realm": ""}, "at least one parameter"),
        ({"realm": "a\nb"}, "printable ASCII"),
        ({"resource_metadata": "http://api.example"}, "https URL"),
        ({"challenge_scopes": ["offline_access"]}, "offline_access"),
        ({"challenge_scopes": ["a b"]}, "scopes"),
        ({"extra_challenges": ['Basic realm="api"\r\nSet-Cookie: a=b']}, "extra_challenges="),
        ({"extra_challenges": ["Basic"]}, "extra_challenges="),
        ({"extra_challenges": "Basic"}, "extra_challenges="),
        ({"error_format": "html"}, "error_format="),
        ({"problem_base": "/problems"}, "problem_base="),
        ({"malformed_status": 422}, "malformed_status="),
        ({"https": True}, "https="),
        ({"implies": {"a b": ["c"]}}, "implies"),
        ({"implies": {"a": ['"']}}, "implies"),
    ],
)
def test_the_error_for_an_invalid_setting_says_what_to_do(settings, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        make_server(**settings)


def test_the_reason_is_logged_and_not_sent(caplog):
    with caplog.at_level(logging.INFO, logger="gatepass"):
        answer = make_server().respond(errors.MissingClaim("jti"))
        make_server().respond(KeysUnavailable("no answer"))
        make_server().respond(MissingCredentials())

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "refused: missing_claim jti"),
        ("ERROR", "refused: keys_unavailable no answer"),
        ("INFO", "refused: missing_credentials"),
    ]
    assert "jti" not in repr(answer)
