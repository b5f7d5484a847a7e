"""The examples run as their README says: real processes, asked over the wire, without a token and with one."""

import json
import os
import subprocess
import sys
import time
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.cli.servers import REPOSITORY, free_port, request, serving
from tests.jwks.authority import authority_certificate, vouched_for
from tests.jwks.server import by_path, document
from tests.jwks.server import serving as serving_keys

from gatepass import Key, KeySet
from gatepass.compact import encode_base64url, parse_compact

EXAMPLES = REPOSITORY / "examples"
SECRET = Key.generate("HS256").to_private_jwk()
ENVIRONMENT = {"JWT_SECRET_KEY": json.dumps(SECRET)}
NO_CREDENTIALS = 'Bearer realm="api"'

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="this is not a checkout")


def flask(name, port):
    return [sys.executable, "-m", "flask", "--app", EXAMPLES / f"{name}.py", "run", "--port", port]


def uvicorn(name, port):
    return [sys.executable, "-m", "uvicorn", "--app-dir", EXAMPLES, f"{name}:app", "--port", port]


def django(name, port):
    return [sys.executable, EXAMPLES / f"{name}.py", "runserver", "--noreload", port]


def issued(*arguments, env=ENVIRONMENT):
    script = [sys.executable, EXAMPLES / "issue_token.py", *arguments]
    result = subprocess.run(script, env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.fixture(
    params=[(flask, "flask_app"), (uvicorn, "starlette_app"), (django, "django_app")],
    ids=["Flask", "Starlette", "Django"],
)
def shop(request):
    command, name = request.param
    port = free_port()
    with serving(command(name, port), port, ENVIRONMENT):
        yield port


def test_a_shop_shows_its_orders_to_those_who_may_see_them(shop):
    status, headers, body = request(shop, "/orders", token=issued("anna", "orders:read"))

    assert (status, json.loads(body)["for"]) == (200, "anna")

    status, headers, _ = request(shop, "/orders")

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)

    status, headers, _ = request(shop, "/orders", token=issued("anna"))

    assert status == 403
    assert 'scope="orders:read"' in headers["WWW-Authenticate"]

    stranger = issued("anna", "orders:read", env={"JWT_SECRET_KEY": json.dumps(Key.generate("HS256").to_private_jwk())})

    assert request(shop, "/orders", token=stranger)[0] == 401
    assert request(shop, "/healthz")[0] == 200
    assert request(shop, "/elsewhere")[0] == 401


@pytest.fixture(scope="module")
def login():
    port = free_port()
    with serving(uvicorn("fastapi_app", port), port, ENVIRONMENT):
        yield port


def log_in(port, username="anna", password="tea and biscuits", **fields):
    return request(port, "/token", form=urlencode({"username": username, "password": password, **fields}))


def test_a_login_gives_a_token_for_half_an_hour_that_no_cache_keeps(login):
    status, headers, body = log_in(login, scope="orders:read nothing:else")
    answer = json.loads(body)
    claims = parse_compact(answer["access_token"]).claims

    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("bearer", 1800, "orders:read")
    assert claims["exp"] - claims["iat"] == 1800
    assert (claims["sub"], claims["scope"]) == ("anna", "orders:read")


def test_the_token_of_a_login_opens_the_routes_that_its_scopes_allow(login):
    narrow = json.loads(log_in(login)[2])["access_token"]
    wide = json.loads(log_in(login, scope="orders:read")[2])["access_token"]

    assert json.loads(request(login, "/users/me", token=narrow)[2]) == {"name": "anna"}
    assert request(login, "/orders", token=narrow)[0] == 403
    assert json.loads(request(login, "/orders", token=wide)[2]) == {"anna": ["tea", "biscuits"]}


@pytest.mark.parametrize("path", ["/users/me", "/orders"])
def test_a_route_behind_the_login_wants_a_token(login, path):
    status, headers, _ = request(login, path)

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)


@pytest.mark.parametrize("wrong", [{"password": "coffee"}, {"username": "nobody"}])
def test_a_wrong_login_is_refused_in_words_that_do_not_tell_what_was_wrong(login, wrong):
    status, headers, body = log_in(login, **wrong)

    assert status == 401
    assert json.loads(body) == {"error": "invalid_grant", "error_description": "Incorrect username or password"}
    assert headers["WWW-Authenticate"] == NO_CREDENTIALS
    assert headers["Cache-Control"] == "no-store"


def test_an_unknown_name_costs_a_login_the_same_work_as_a_wrong_password(login):
    def fastest(**fields):
        spans = []
        for _ in range(5):
            start = time.perf_counter()
            log_in(login, **fields)
            spans.append(time.perf_counter() - start)
        return min(spans)

    # Hashing takes some hundred milliseconds, anything else one or two: a skipped hash shows by far.
    assert fastest(username="nobody") > fastest(password="wrong") / 2


def test_a_user_who_is_gone_is_refused_though_the_token_is_good(login):
    status, headers, _ = request(login, "/users/me", token=issued("berta"))

    assert status == 401
    assert 'error_description="The access token subject is not accepted"' in headers["WWW-Authenticate"]


def test_the_documentation_page_offers_the_password_login(login):
    document = json.loads(request(login, "/openapi.json")[2])
    (name, scheme), *others = document["components"]["securitySchemes"].items()

    assert others == []
    assert scheme["type"] == "oauth2"
    assert scheme["flows"]["password"]["tokenUrl"] == "token"
    assert scheme["flows"]["password"]["scopes"] == {"orders:read": "Read your orders"}
    assert list(document["paths"]["/orders"]["get"]["security"][0]) == [name]
    assert request(login, "/docs")[0] == 200


def test_an_outside_providers_tokens_are_taken_by_issuer_and_audience_alone(tmp_path):
    pytest.importorskip("httpx")
    key = Key.generate("RS256")
    (tmp_path / "authority.pem").write_bytes(authority_certificate().public_bytes(Encoding.PEM))
    now = int(time.time())

    def signed(**changes):
        parts = ({"alg": "RS256", "typ": "JWT", "kid": key.kid}, {**claims, "iat": now, "exp": now + 60, **changes})
        signing_input = b".".join(encode_base64url(json.dumps(part).encode()) for part in parts)
        return (signing_input + b"." + encode_base64url(key.sign(signing_input))).decode()

    port = free_port()
    with serving_keys(document({}), tls=vouched_for()) as provider:
        issuer = f"{provider.origin}/realms/shop"
        provider.answer = by_path(
            realms_shop__well_known_openid_configuration=document({"issuer": issuer, "jwks_uri": provider.url}),
            jwks_json=document(KeySet([key]).to_jwks()),
        )
        claims = {
            "iss": issuer, "aud": ["https://api.example.com", "account"], "sub": "anna", "azp": "web", "typ": "Bearer",
            "jti": "1", "scope": "openid", "realm_access": {"roles": ["clerk"]},
        }  # fmt: skip
        environment = {
            "PROVIDER": "keycloak",
            "PROVIDER_ISSUER": issuer,
            "PROVIDER_AUDIENCE": "https://api.example.com",
            "SSL_CERT_FILE": str(tmp_path / "authority.pem"),
        }
        with serving(flask("outside_provider", port), port, environment):
            status, _, body = request(port, "/me", token=signed())

            assert status == 200
            assert json.loads(body) == {"you": "anna", "through": "web", "scopes": ["openid"], "roles": ["clerk"]}
            assert request(port, "/me")[0] == 401
            assert request(port, "/me", token=signed(iss=f"{issuer}/"))[0] == 401
            assert request(port, "/me", token=signed(aud="account"))[0] == 401
            assert request(port, "/me", token=signed(typ="ID"))[0] == 401


def test_the_readme_and_each_example_say_how_it_is_started():
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    commands = {
        "flask_app": "flask --app examples/flask_app.py run",
        "starlette_app": "uvicorn --app-dir examples starlette_app:app",
        "django_app": "python examples/django_app.py runserver",
        "fastapi_app": "uvicorn --app-dir examples fastapi_app:app",
        "outside_provider": "flask --app examples/outside_provider.py run",
        "issue_token": "python examples/issue_token.py anna orders:read",
    }

    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(commands)
    for name, command in commands.items():
        assert command in (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
        assert command in readme


def test_the_token_of_the_readme_passes_the_inspection_of_the_readme():
    token = issued("anna", "orders:read")
    options = ["--issuer", "https://auth.example.com", "--audience", "https://api.example.com"]
    command = [sys.executable, "-m", "gatepass", "inspect", "--key-env", "JWT_SECRET_KEY", *options]

    result = subprocess.run(
        command, input=token, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
