"""The examples, started as their README says: real processes that get requests with and without a token."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from jwt.utils import base64url_encode
from tests.support.certificates import authority_certificate, vouched_for
from tests.support.key_server import by_path, document
from tests.support.key_server import serving as serving_keys
from tests.support.needs import reason_for
from tests.support.ports import free_port
from tests.support.processes import PATIENCE, REPOSITORY, request, serving

from gatepass import Key, KeySet, TokenIssuer, TokenService
from gatepass.stores.sqlite import SQLiteStore

EXAMPLES = REPOSITORY / "examples"
SECRET = Key.generate("HS256").to_private_jwk()
ENVIRONMENT = {"JWT_SECRET_KEY": json.dumps(SECRET)}
NO_CREDENTIALS = 'Bearer realm="api"'
REVOKED = NO_CREDENTIALS + ', error="invalid_token", error_description="The access token was revoked"'

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason=reason_for("a git checkout", "the examples are not here"))


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


PATHS = {}
"""The paths for login and refresh of each example, by its port."""
FILES = {}
"""The file with the logins of each example, by its port."""


def port_for(name):
    port = free_port()
    PATHS[port] = ("/token", "/refresh") if name == "fastapi_app" else ("/login", "/token")
    return port


def answer_of(answer):
    """Return the status and the JSON body."""
    status, _, body = answer
    return status, json.loads(body)


@pytest.fixture(
    scope="module",
    params=[(flask, "flask_app"), (uvicorn, "starlette_app"), (uvicorn, "fastapi_app"), (django, "django_app")],
    ids=["Flask", "Starlette", "FastAPI", "Django"],
)
def shop(request, tmp_path_factory):
    command, name = request.param
    port = port_for(name)
    FILES[port] = sessions = tmp_path_factory.mktemp(name) / "sessions.db"
    with serving(command(name, port), port, {**ENVIRONMENT, "SESSIONS_DB": str(sessions)}):
        yield port


def test_a_shop_returns_its_orders_to_tokens_with_the_scope(shop):
    status, headers, body = request(shop, "/orders", token=issued("anna", "orders:read"))

    assert (status, json.loads(body)) == (200, {"for": "anna", "orders": ["tea", "biscuits"]})

    status, headers, _ = request(shop, "/orders")

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)

    status, headers, _ = request(shop, "/orders", token=issued("anna"))

    assert status == 403
    assert 'scope="orders:read"' in headers["WWW-Authenticate"]

    forged = issued("anna", "orders:read", env={"JWT_SECRET_KEY": json.dumps(Key.generate("HS256").to_private_jwk())})

    assert request(shop, "/orders", token=forged)[0] == 401
    assert request(shop, "/healthz")[0] == 200
    assert request(shop, "/elsewhere")[0] in (401, 404)  # FastAPI protects the routes that exist


# --- sessions


def log_in(port, username="anna", password="tea and biscuits", **fields):
    return request(port, PATHS[port][0], form=urlencode({"username": username, "password": password, **fields}))


def login_response(port, **fields):
    """Return the pair of tokens of a new login."""
    status, pair = answer_of(log_in(port, scope="orders:read", **fields))
    assert status == 200
    return pair


def refresh(port, pair):
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    return request(port, PATHS[port][1], form=urlencode(form))


def opens(port, pair):
    """Return whether the access token of *pair* is accepted for the orders; if not, it must be refused as revoked."""
    status, headers, _ = request(port, "/orders", token=pair["access_token"])
    if status == 200:
        return True
    assert (status, headers["WWW-Authenticate"]) == (401, REVOKED)
    return False


def refreshes(port, pair):
    """Return whether the refresh token of *pair* gets another pair; if not, it must get the usual refusal."""
    status, headers, body = refresh(port, pair)
    if status == 200:
        return True
    refused = {"error": "invalid_grant", "error_description": "The refresh token is not valid"}
    assert (status, json.loads(body), headers["Cache-Control"]) == (400, refused, "no-store")
    return False


def test_a_login_returns_a_pair_that_caches_must_not_store(shop):
    status, headers, body = log_in(shop, scope="orders:read")
    pair = json.loads(body)
    claims = jwt.decode(pair["access_token"], options={"verify_signature": False})

    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert set(pair) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (pair["token_type"], pair["scope"]) == ("Bearer", "orders:read")
    assert pair["expires_in"] == claims["exp"] - claims["iat"]
    assert (claims["sub"], claims["scope"], claims["client_id"]) == ("anna", "orders:read", "web")


def test_a_refresh_returns_the_next_pair_and_reuse_of_a_spent_token_ends_the_login(shop):
    first = login_response(shop)

    assert opens(shop, first)

    status, second = answer_of(refresh(shop, first))

    assert status == 200
    assert set(second) == set(first)
    assert not {second["access_token"], second["refresh_token"]} & {first["access_token"], first["refresh_token"]}
    assert opens(shop, second)
    assert opens(shop, first)

    assert not refreshes(shop, first)
    assert not refreshes(shop, second)
    assert not opens(shop, second)
    assert not opens(shop, first)


def test_a_logout_ends_both_tokens_of_this_login_and_of_no_other(shop):
    other, pair = login_response(shop), login_response(shop)

    assert opens(shop, pair)
    assert request(shop, "/logout", token=pair["access_token"], form="")[0] == 204
    assert not opens(shop, pair)
    assert not refreshes(shop, pair)
    assert request(shop, "/logout", token=pair["access_token"], form="")[0] == 401

    assert opens(shop, other)
    assert refreshes(shop, other)


def test_revoking_a_refresh_token_revokes_its_access_tokens(shop):
    first = login_response(shop)
    _, second = answer_of(refresh(shop, first))

    assert request(shop, "/revoke", form=urlencode({"token": second["refresh_token"]}))[0] == 200

    assert not opens(shop, first)
    assert not opens(shop, second)
    assert not refreshes(shop, second)


def test_revoking_an_access_token_keeps_the_login(shop):
    pair = login_response(shop)

    assert request(shop, "/revoke", form=urlencode({"token": pair["access_token"]}))[0] == 200

    assert not opens(shop, pair)
    assert refreshes(shop, pair)


def test_a_logout_revokes_a_token_without_a_login(shop):
    single = {"access_token": issued("anna", "orders:read")}

    assert opens(shop, single)
    assert request(shop, "/logout", token=single["access_token"], form="")[0] == 204
    assert not opens(shop, single)


def test_a_logout_requires_a_token(shop):
    status, headers, _ = request(shop, "/logout", form="")

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)


@pytest.mark.parametrize("wrong", [{"password": "coffee"}, {"username": "unknown"}])
def test_the_error_of_a_failed_login_does_not_say_what_was_wrong(shop, wrong):
    status, headers, body = log_in(shop, **wrong)

    assert status == 401
    assert json.loads(body) == {"error": "invalid_grant", "error_description": "Incorrect username or password"}
    assert headers["WWW-Authenticate"] == NO_CREDENTIALS
    assert headers["Cache-Control"] == "no-store"


def test_an_unknown_name_takes_as_long_as_a_wrong_password(shop):
    def seconds(**fields):
        start = time.perf_counter()
        log_in(shop, **fields)
        return time.perf_counter() - start

    # Hashing takes some hundred milliseconds, the rest one or two, so a skipped hash is obvious. The minimum of many
    # measurements counts: a request without a hash stays fast in all of them.
    unknown, known = seconds(username="unknown"), seconds(password="wrong")
    for number in range(50):
        if number >= 3 and unknown > known / 2:
            return
        unknown, known = min(unknown, seconds(username="unknown")), min(known, seconds(password="wrong"))
    pytest.fail(f"{unknown:.3f} seconds for an unknown name, and {known:.3f} for a wrong password")


def test_a_login_is_stored_in_the_working_directory_and_survives_a_restart(tmp_path, monkeypatch):
    monkeypatch.delenv("SESSIONS_DB", raising=False)
    port = port_for("flask_app")
    with serving(flask("flask_app", port), port, ENVIRONMENT, cwd=tmp_path):
        first = login_response(port)
        _, second = answer_of(refresh(port, first))

    assert (tmp_path / "sessions.db").is_file()

    with serving(uvicorn("starlette_app", port), port, ENVIRONMENT, cwd=tmp_path):
        assert opens(port, second)
        assert refreshes(port, second)
        assert not refreshes(port, first)


# --- the list of sessions


@contextlib.contextmanager
def service_beside(port, *, age=0):
    """Yield a service on the file of the example, for logins *age* seconds ago."""
    issuer = TokenIssuer(
        issuer="https://auth.example.com",
        audience="https://api.example.com",
        keys=Key.from_jwk(SECRET),
        client_id="web",
        access_ttl=1_800,
    )
    with SQLiteStore(FILES[port]) as store:
        yield TokenService(issuer, store, check_subject=lambda _: True, clock=lambda: time.time() - age)


def id_of(pair):
    """Return the family of the login, which an access token has as a claim."""
    return jwt.decode(pair["access_token"], options={"verify_signature": False})["family_id"]


def sessions(port, pair, query=""):
    return answer_of(request(port, f"/sessions{query}", token=pair["access_token"]))


def every_session(port, pair):
    """Return the sessions of all pages, by their id, and the sizes of the pages."""
    found, sizes, query = {}, [], ""
    while True:
        status, page = sessions(port, pair, query)
        assert status == 200
        sizes.append(len(page["sessions"]))
        found |= {one["family_id"]: one for one in page["sessions"]}
        if page["next"] is None:
            assert len(found) == sum(sizes)
            return found, sizes
        query = f"?{urlencode({'after': page['next']})}"


def end(port, pair, family_id):
    return request(port, f"/sessions/{family_id}", token=pair["access_token"], method="DELETE")


def accepted(port, log_in):
    """Return a login whose access token is accepted: within the second of a logout everywhere it would be refused."""
    until = time.monotonic() + PATIENCE
    while True:
        pair = log_in()
        if opens(port, pair):
            return pair
        assert time.monotonic() < until


def accepted_login(port, **fields):
    return accepted(port, lambda: login_response(port, **fields))


def granted(port):
    """Return a login of anna that the file of the example has without a password, because its hash takes time."""

    def log_in():
        pair = service.grant("anna", scope="orders:read")
        return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}

    with service_beside(port) as service:
        return accepted(port, log_in)


def test_a_login_is_listed_with_its_label_its_times_and_as_the_current_one(shop):
    before = int(time.time())
    phone, laptop = login_response(shop, device="Anna's phone"), login_response(shop)

    found, _ = every_session(shop, phone)
    listed, other = found[id_of(phone)], found[id_of(laptop)]

    assert set(listed) == {"family_id", "label", "created_at", "last_used_at", "current"}
    assert (listed["label"], listed["current"]) == ("Anna's phone", True)
    assert (other["label"], other["current"]) == (None, False)
    assert [one["family_id"] for one in found.values() if one["current"]] == [id_of(phone)]
    created, used = (datetime.fromisoformat(listed[name]) for name in ("created_at", "last_used_at"))
    assert created == used
    assert before <= created.timestamp() <= time.time()


@pytest.mark.parametrize(
    ("device", "label"),
    [
        ("tab\tnul\0line\r\nend\x1b[31m", "tabnullineend[31m"),
        ("right\u202eleft\u200b", "rightleft"),
        ("é" * 65, "é" * 64),
        ("x" * 20_000, "x" * 64),
        ("\n\0", None),
        ("<b>&'\"", "<b>&'\""),
    ],
    ids=["control", "invisible", "long", "very long", "nothing printable", "markup"],
)
def test_a_label_is_cut_to_what_a_login_may_carry(shop, device, label):
    pair = login_response(shop, device=device)

    assert every_session(shop, pair)[0][id_of(pair)]["label"] == label


@pytest.mark.parametrize(("fields", "hours"), [({}, 8), ({"remember": ""}, 8), ({"remember": "on"}, 14 * 24)])
def test_only_a_remembered_login_may_stay_unused_for_days(shop, fields, hours):
    pair = login_response(shop, **fields)

    with SQLiteStore(FILES[shop]) as store:
        family = store.get(id_of(pair))

    assert family.idle_expires_at - family.created_at == hours * 3_600
    assert refreshes(shop, pair)


def test_pages_of_sessions_together_list_every_session_once(shop):
    with service_beside(shop, age=3_600) as service:
        old = {service.grant("anna", label="old").refresh_token for _ in range(55)}
    pair = login_response(shop)

    found, sizes = every_session(shop, pair)

    assert [one["label"] for one in found.values()].count("old") == len(old)
    assert len(sizes) > 1
    assert set(sizes[:-1]) == {50}


@pytest.mark.parametrize("after", ["x", "", "9" * 30, "-1.aaaaaaaaaaaaaaaaaaaaaa", "1.\0", "é" * 5_000])
def test_an_invalid_cursor_is_a_bad_request(shop, after):
    pair = granted(shop)

    assert sessions(shop, pair, f"?{urlencode({'after': after})}") == (
        400,
        {"error": "invalid_request", "error_description": "The value of after is not valid"},
    )


def test_a_user_ends_one_session_and_keeps_the_others(shop):
    phone, laptop = login_response(shop, device="phone"), login_response(shop, device="laptop")

    assert end(shop, laptop, id_of(phone))[::2] == (204, b"")

    assert not opens(shop, phone)
    assert not refreshes(shop, phone)
    assert id_of(phone) not in every_session(shop, laptop)[0]
    assert end(shop, laptop, id_of(phone))[0] == 404
    assert opens(shop, laptop)
    assert refreshes(shop, laptop)


@pytest.mark.parametrize("name", ["unknown", "A" * 22, "%00", "%F0%9F%8D%AA", "x" * 5_000])
def test_ending_an_unknown_session_is_not_found(shop, name):
    pair = granted(shop)
    status, answer = answer_of(end(shop, pair, name))

    assert (status, answer["error"]) == (404, "not_found")
    assert opens(shop, pair)


def test_the_session_of_another_user_is_not_listed_and_not_found(shop):
    with service_beside(shop) as service:
        foreign = service.grant("berta")
        name = id_of({"access_token": foreign.access_token})
        pair = login_response(shop)

        assert name not in every_session(shop, pair)[0]
        status, answer = answer_of(end(shop, pair, name))

        assert (status, answer) == answer_of(end(shop, pair, "A" * 22))
        assert (status, answer["error"]) == (404, "not_found")
        assert service.refresh(foreign.refresh_token).refresh_token


def test_a_logout_everywhere_ends_every_session_of_this_user_and_of_no_other(shop):
    phone, laptop = login_response(shop, device="phone"), login_response(shop, device="laptop")
    with service_beside(shop) as service:
        foreign = service.grant("berta")

        assert request(shop, "/logout-everywhere", token=laptop["access_token"], form="")[::2] == (204, b"")

        for pair in (phone, laptop):
            assert not opens(shop, pair)
            assert not refreshes(shop, pair)
        assert service.refresh(foreign.refresh_token).refresh_token
    new = accepted_login(shop, device="new")
    assert {one["label"] for one in every_session(shop, new)[0].values()} == {"new"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sessions"), ("DELETE", f"/sessions/{'A' * 22}"), ("POST", "/logout-everywhere")]
)
def test_the_routes_of_the_sessions_require_a_token(shop, method, path):
    status, headers, _ = request(shop, path, method=method)

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)


# --- the tutorial of FastAPI


def test_a_password_that_has_no_utf_8_form_is_a_wrong_one(shop):
    fields = {"username": "anna", "password": "\\ud800"}
    parts = [f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    form_type = "multipart/form-data; boundary=B; charset=unicode_escape"

    answer = request(shop, PATHS[shop][0], form="".join([*parts, "--B--\r\n"]), form_type=form_type)

    assert answer_of(answer)[0] in (400, 401)


def test_a_store_that_fails_is_an_outage_in_the_routes_of_the_example_too(shop):
    token = answer_of(log_in(shop))[1]["access_token"]
    with contextlib.closing(sqlite3.connect(FILES[shop])) as connection:
        connection.execute("ALTER TABLE gatepass_families RENAME TO elsewhere")
        try:
            answers = [
                log_in(shop),
                request(shop, "/sessions", token=token),
                request(shop, "/sessions/AbCdEfGhIjKlMnOpQrStUv", token=token, method="DELETE"),
                request(shop, "/logout-everywhere", token=token, method="POST"),
            ]
        finally:
            connection.execute("ALTER TABLE elsewhere RENAME TO gatepass_families")

    for status, headers, body in answers:
        assert (status, headers["Retry-After"], json.loads(body)["error"]) == (503, "5", "temporarily_unavailable")
    assert log_in(shop)[0] == 200


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    port = port_for("fastapi_app")
    sessions = tmp_path_factory.mktemp("tutorial") / "sessions.db"
    with serving(uvicorn("fastapi_app", port), port, {**ENVIRONMENT, "SESSIONS_DB": str(sessions)}):
        yield port


def test_the_login_of_the_tutorial_lasts_half_an_hour_and_grants_only_known_scopes(tutorial):
    status, pair = answer_of(log_in(tutorial, grant_type="password", scope="orders:read nothing:else"))

    assert status == 200
    assert (pair["expires_in"], pair["scope"]) == (1800, "orders:read")


def test_the_token_of_a_login_is_accepted_for_its_scopes(tutorial):
    without = json.loads(log_in(tutorial)[2])
    assert "scope" not in without  # an empty string would not be a valid scope
    narrow = without["access_token"]
    wide = json.loads(log_in(tutorial, scope="orders:read")[2])["access_token"]

    assert json.loads(request(tutorial, "/users/me", token=narrow)[2]) == {"name": "anna"}
    assert request(tutorial, "/orders", token=narrow)[0] == 403
    assert request(tutorial, "/orders", token=wide)[0] == 200


@pytest.mark.parametrize("path", ["/users/me", "/orders"])
def test_a_protected_route_of_the_tutorial_requires_a_token(tutorial, path):
    status, headers, _ = request(tutorial, path)

    assert (status, headers["WWW-Authenticate"]) == (401, NO_CREDENTIALS)


def test_the_valid_token_of_a_deleted_user_is_refused(tutorial):
    status, headers, _ = request(tutorial, "/users/me", token=issued("berta"))

    assert status == 401
    assert 'error_description="The access token subject is not accepted"' in headers["WWW-Authenticate"]


def test_the_documentation_page_offers_the_password_login_and_the_endpoints(tutorial):
    document = json.loads(request(tutorial, "/openapi.json")[2])
    (name, scheme), *others = document["components"]["securitySchemes"].items()

    assert others == []
    assert scheme["type"] == "oauth2"
    assert scheme["flows"]["password"]["tokenUrl"] == "token"
    assert scheme["flows"]["password"]["scopes"] == {"orders:read": "Read your orders"}
    assert list(document["paths"]["/orders"]["get"]["security"][0]) == [name]
    routes = {"/token", "/refresh", "/logout", "/revoke", "/sessions", "/sessions/{family_id}", "/logout-everywhere"}
    assert routes <= set(document["paths"])
    assert request(tutorial, "/docs")[0] == 200


# --- an external provider, and the README


def response_with_keys(port, path, **sent):
    """Return the response after the keys of the provider were fetched: until then it is 503 with Retry-After."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = request(port, path, **sent)
        if answer[0] != 503 or time.monotonic() > until:
            return answer
        assert "Retry-After" in answer[1]
        time.sleep(0.1)


def test_tokens_of_an_external_provider_are_accepted_by_issuer_and_audience(tmp_path):
    pytest.importorskip("httpx")
    key = Key.generate("RS256")
    (tmp_path / "authority.pem").write_bytes(authority_certificate().public_bytes(Encoding.PEM))
    now = int(time.time())

    def signed(**changes):
        parts = ({"alg": "RS256", "typ": "JWT", "kid": key.kid}, {**claims, "iat": now, "exp": now + 86_400, **changes})
        signing_input = b".".join(base64url_encode(json.dumps(part).encode()) for part in parts)
        return (signing_input + b"." + base64url_encode(key.sign(signing_input))).decode()

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
            status, _, body = response_with_keys(port, "/me", token=signed())

            assert status == 200
            assert json.loads(body) == {"you": "anna", "through": "web", "scopes": ["openid"], "roles": ["clerk"]}
            assert request(port, "/me")[0] == 401
            assert request(port, "/me", token=signed(iss=f"{issuer}/"))[0] == 401
            assert request(port, "/me", token=signed(aud="account"))[0] == 401
            assert request(port, "/me", token=signed(typ="ID"))[0] == 401


def test_the_readme_and_each_example_show_the_start_command():
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


def test_the_token_of_the_readme_passes_gatepass_inspect():
    token = issued("anna", "orders:read")
    options = ["--issuer", "https://auth.example.com", "--audience", "https://api.example.com"]
    command = [sys.executable, "-m", "gatepass", "inspect", "--key-env", "JWT_SECRET_KEY", *options]

    result = subprocess.run(
        command, input=token, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr


def test_an_external_provider_without_its_variables_names_the_missing_one():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROVIDER")}

    started = subprocess.run(
        [sys.executable, "examples/outside_provider.py"],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert started.stderr == "PROVIDER_ISSUER is not set: export the variables at the top of this file\n"
