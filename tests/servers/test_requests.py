"""Raw requests that no client library sends get the same responses on every server."""

import pytest
from tests.adapters.contract import MALFORMED_HEADER, NO_CREDENTIALS, TWO_TOKENS
from tests.servers.running import COMMANDS, post, send, serving
from tests.support.adapter_tokens import token

FORM = "Content-Type: application/x-www-form-urlencoded"
PREFLIGHT = ("Origin: https://shop.example", "Access-Control-Request-Method: GET")
UNKNOWN = "grant_type=refresh_token&refresh_token=none"
INVALID_GRANT = b'{"error":"invalid_grant","error_description":"The refresh token is not valid"}'


def values(answer, name):
    return [line.partition(":")[2].strip() for line in answer[1] if line.lower().startswith(f"{name}:")]


def same(answer, golden):
    status, challenge, body = golden
    assert (answer[0], answer[2]) == (status, body.encode())
    assert values(answer, "www-authenticate") == [challenge]
    assert values(answer, "cache-control") == ["no-store"]


@pytest.mark.parametrize("name", COMMANDS)
def test_raw_requests_get_the_same_responses_on_every_server(name):
    good = f"Authorization: Bearer {token()}"
    get = "GET /protected HTTP/1.1"
    with serving(name) as (port, _):
        same(send(port, get), NO_CREDENTIALS)
        for line in (get, "GET /protected HTTP/1.0"):
            status, _, body = send(port, line, good)
            assert (status, b"anna" in body) == (200, True)

        same(send(port, get, good, good), TWO_TOKENS)
        same(send(port, get, "Authorization: Basic YW5uYQ==", good), TWO_TOKENS)
        same(send(port, get, good, "authorization: DPoP abc"), TWO_TOKENS)
        same(send(port, get, "Authorization: Bearer a b"), MALFORMED_HEADER)
        octets = send(port, get, "Authorization: Bearer \xff\xfe\x80")
        same(octets, NO_CREDENTIALS if name == "granian wsgi" else MALFORMED_HEADER)  # granian drops such lines
        for line in ("Authorization: Bearer a\x00b", "Authorization: Bearer a\r\n b"):
            assert send(port, get, line)[0] == 400

        # Methods are case-sensitive; only hypercorn converts them to capitals.
        assert send(port, "get /protected HTTP/1.1")[0] in {400, 401, 405}
        refused = send(port, "post /token HTTP/1.1", FORM, f"Content-Length: {len(UNKNOWN)}", body=UNKNOWN.encode())
        assert refused[2] != INVALID_GRANT or name == "hypercorn"
        head = send(port, "HEAD /protected HTTP/1.1")
        assert (head[0], head[2]) == (401, b"")
        assert values(head, "www-authenticate") == [NO_CREDENTIALS[1]]
        same(send(port, "OPTIONS /protected HTTP/1.1"), NO_CREDENTIALS)
        assert send(port, "OPTIONS /protected HTTP/1.1", *PREFLIGHT)[0] in {200, 405}

        for answer in (post(port, "/token", UNKNOWN), chunked(port, UNKNOWN)):
            if answer[0] != 400 or not name.startswith("uwsgi"):  # uWSGI passes a chunked body only to its own API
                assert (answer[0], answer[2]) == (400, INVALID_GRANT)
        for length in ((), ("Content-Length: 0",), ("Content-Length: 00",)):
            assert send(port, "POST /token HTTP/1.1", FORM, *length)[0] == 400
        login = post(port, "/login")
        assert (login[0], values(login, "cache-control")) == (200, ["no-store"])


def chunked(port, form):
    """Return the chunks of a body of unknown length."""
    half = len(form) // 2
    parts = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (form[:half], form[half:], ""))
    return send(port, "POST /token HTTP/1.1", FORM, "Transfer-Encoding: chunked", body=parts.encode())
