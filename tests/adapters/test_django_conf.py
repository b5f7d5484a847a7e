"""The setting GATEPASS of a Django project: the values that it accepts, and those that stop the start."""

import json
import re
import time

import pytest
from django.core.checks import ERROR
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory, override_settings
from tests.support.adapter_tokens import AUDIENCE, ISSUER, bearer, resource_server, token
from tests.support.certificates import trusted_by_default, vouched_for
from tests.support.clients import WSGIClient
from tests.support.django import project as django_project
from tests.support.django.handlers import OURS, checked
from tests.support.key_server import by_path, document, serving

from gatepass import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER, ConfigurationError, Key, KeySet, Profile
from gatepass_django import require_auth

SECRET = "8d0c1ab2e8f64d2f9a0b5f6c7d1e3a48"
BROKEN = "tests.support.django.broken_module"
GOOD = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEY_ENV": "GATEPASS_TEST_SECRET"}
server_of_the_project = resource_server()
something_else = object()


def reject_every_user(verified):
    return False


@pytest.fixture(autouse=True)
def _secret(monkeypatch):
    monkeypatch.setenv("GATEPASS_TEST_SECRET", SECRET)


def answer_to(setting, *headers, target="/protected", scheme="https"):
    with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS], ROOT_URLCONF="tests.support.django.project"):
        return WSGIClient(WSGIHandler()).send("GET", target, *headers, scheme=scheme)


def token_without_kid(**claims):
    return bearer(token(header={"kid": None}, **claims))


class TestSetting:
    def test_issuer_audience_and_key_are_enough(self):
        assert answer_to(GOOD, token_without_kid()).body == b"anna"
        assert answer_to(GOOD).status == 401

    @pytest.mark.parametrize(
        "setting", [f"{__name__}.server_of_the_project", {"RESOURCE_SERVER": server_of_the_project}]
    )
    def test_it_may_name_a_resource_server_of_the_project(self, setting):
        assert answer_to(setting, bearer()).body == b"anna"

    def test_options_reach_the_verifier_and_the_resource_server(self):
        def answer(headers=(), scheme="https", **options):
            return answer_to({**GOOD, **options}, headers, scheme=scheme)

        assert answer(REALM="shop").all("www-authenticate") == ['Bearer realm="shop"']
        assert answer(ERROR_FORMAT="empty").body == b""
        assert answer(HTTPS="require").status == 401
        assert answer(token_without_kid(), HTTPS="off", scheme="http").status == 200
        assert answer(token_without_kid(), scheme="http").status == 400
        assert answer(token_without_kid(), CHECK_SUBJECT=f"{__name__}.reject_every_user").status == 401
        assert answer(token_without_kid(), CHECK_SUBJECT=reject_every_user).status == 401
        assert answer(token_without_kid(), IS_REVOKED=f"{__name__}.reject_every_user").status == 200
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"}))).status == 401
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"})), PROFILE="generic").status == 200
        assert answer(bearer(token(header={"kid": None, "typ": "JWT"})), PROFILE=Profile.GENERIC).status == 200
        assert answer(token_without_kid(), AUDIENCE=["urn:other", AUDIENCE]).status == 200
        assert answer(token_without_kid(exp=int(time.time()) - 10)).status == 200
        assert answer(token_without_kid(exp=int(time.time()) - 10), LEEWAY=0).status == 401
        assert answer_to({**GOOD, "PUBLIC": ["/protected"]}).body == b"anonymous"
        implied = {**GOOD, "IMPLIES": {"orders:write": ["orders:read"]}}
        assert answer_to(implied, token_without_kid(scope="orders:write"), target="/orders").body == b"anna"

    @pytest.mark.parametrize(("algorithms", "algorithm"), [(None, "RS256"), (["PS256"], "PS256")])
    def test_keys_may_be_in_files(self, tmp_path, algorithms, algorithm):
        key = Key.generate(algorithm)
        (tmp_path / "key.pem").write_text(key.public().to_pem())
        (tmp_path / "keys.json").write_text(json.dumps(KeySet([key]).to_jwks()))
        policy = {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, **({"ALGORITHMS": algorithms} if algorithms else {})}

        for source in ({"PEM_FILE": tmp_path / "key.pem"}, {"JWKS_FILE": str(tmp_path / "keys.json")}, {"KEYS": key}):
            assert answer_to({**policy, **source}, bearer(token(key=key))).body == b"anna"

    def test_an_iterator_of_algorithms_applies_to_the_keys_and_the_verifier(self):
        setting = {**GOOD, "ALGORITHMS": iter(["HS256"])}

        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS], ROOT_URLCONF="tests.support.django.project"):
            assert WSGIClient(WSGIHandler()).send("GET", "/protected", token_without_kid()).body == b"anna"

    def test_keys_are_fetched_if_none_are_configured(self, monkeypatch):
        pytest.importorskip("httpx")
        trusted_by_default(monkeypatch)
        key = Key.generate("RS256")
        with serving(document({}), tls=vouched_for()) as provider:
            provider.answer = by_path(
                _well_known_openid_configuration=document({"issuer": provider.origin, "jwks_uri": provider.url}),
                jwks_json=document(KeySet([key]).to_jwks()),
            )
            for source in ({}, {"JWKS_URI": provider.url}, {"JWKS_URI": provider.url, "ALGORITHMS": ["RS256"]}):
                setting = {"ISSUER": provider.origin, "AUDIENCE": AUDIENCE, **source}
                with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
                    assert checked() == []
                    asked = len(provider.requests)
                assert answer_to(setting, bearer(token(key=key, iss=provider.origin))).body == b"anna"
                through_metadata = "/.well-known/openid-configuration" in provider.paths[asked:]
                assert through_metadata is (source == {})

    def test_the_profile_of_a_provider_is_selected_by_name(self):
        def answer(profile, typ):
            sent = token(header={"kid": None, "typ": "JWT"}, typ=typ, azp="web")
            return answer_to({**GOOD, "PROFILE": profile}, bearer(sent))

        for profile in ("keycloak", "KEYCLOAK", Profile.KEYCLOAK):
            assert answer(profile, "Bearer").body == b"anna"
            assert answer(profile, "ID").status == 401

    @pytest.mark.parametrize(
        ("setting", "sentence"),
        [
            (None, "the setting GATEPASS is missing"),
            ({}, "the setting GATEPASS is missing"),
            (["x"], "the setting GATEPASS is missing"),
            (
                {**GOOD, "ISUER": ISSUER, "LEWAY": 3},
                "unknown options: ISUER; did you mean ISSUER?, LEWAY; did you mean LEEWAY?",
            ),
            (
                {"AUDIENCE": AUDIENCE, "KEY_ENV": "GATEPASS_TEST_SECRET"},
                "ISSUER in the setting GATEPASS: issuer= is missing",
            ),
            (
                {"ISSUER": ISSUER, "KEY_ENV": "GATEPASS_TEST_SECRET"},
                "AUDIENCE in the setting GATEPASS: audience= is missing",
            ),
            ({"AUDIENCE": AUDIENCE}, "ISSUER in the setting GATEPASS: issuer= is missing"),
            (
                {"ISSUER": "accounts", "AUDIENCE": AUDIENCE, "PROFILE": "generic"},
                "KEYS in the setting GATEPASS: keys= is missing",
            ),
            ({"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": None}, "KEYS in the setting GATEPASS is None"),
            ({"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "KEYS": []}, "a KeySet needs at least one key"),
            ({**GOOD, "PEM_FILE": "x"}, "more than one source of keys: KEY_ENV, PEM_FILE"),
            ({**GOOD, "JWKS_URI": "https://auth.example/jwks"}, "more than one source of keys: KEY_ENV, JWKS_URI"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URI": "http://auth.example/jwks"},
                "JWKS_URI in the setting GATEPASS: jwks_uri= must be an https",
            ),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_URI": None},
                "JWKS_URI in the setting GATEPASS: jwks_uri= must be an https",
            ),
            ({**GOOD, "KEY_ENV": "GATEPASS_TEST_NOTHING"}, "GATEPASS_TEST_NOTHING is not set"),
            ({**GOOD, "ISSUER": "http://auth.example"}, "ISSUER in the setting GATEPASS: issuer= must be an https URL"),
            ({**GOOD, "ISSUER": "http://localhost:1"}, 'use "ALLOW": "HTTP_ON_LOOPBACK"'),
            (
                {**GOOD, "ISSUER": "http://auth.example", "ALLOW": "HTTP_ON_LOOPBACK"},
                "ISSUER in the setting GATEPASS: issuer= must be an https URL",
            ),
            *(
                ({**GOOD, "ALLOW": value}, "allow= takes HTTP_ON_LOOPBACK or NON_HTTPS_ISSUER")
                for value in (True, None, "HTTP", ["HTTP"], ["HTTP_ON_LOOPBACK", True], {"HTTP_ON_LOOPBACK": True})
            ),
            (
                {**GOOD, "PROFILE": "strict"},
                "PROFILE in the setting GATEPASS: a profile is one of 'rfc9068', 'generic', 'keycloak'",
            ),
            ({**GOOD, "ALGORITHMS": "HS256"}, "ALGORITHMS in the setting GATEPASS: algorithms="),
            ({**GOOD, "PUBLIC": ["/static/*"]}, "PUBLIC in the setting GATEPASS: public="),
            ({**GOOD, "PUBLIC": "/healthz"}, "PUBLIC in the setting GATEPASS: public="),
            ({**GOOD, "IS_REVOKED": "nowhere.at_all"}, "IS_REVOKED in the setting GATEPASS cannot be imported"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS_FILE": "/nowhere"},
                "JWKS_FILE names, /nowhere, cannot be read",
            ),
            ({**GOOD, "RESOURCE_SERVER": f"{__name__}.server_of_the_project"}, "beside RESOURCE_SERVER only PUBLIC"),
            (f"{__name__}.something_else", "must name a ResourceServer"),
            ("nowhere.at_all", "the setting GATEPASS cannot be imported: nowhere.at_all (No module named 'nowhere')"),
            (
                {"RESOURCE_SERVER": "nowhere.at_all"},
                "RESOURCE_SERVER in the setting GATEPASS cannot be imported: nowhere.",
            ),
            (f"{BROKEN}.server", f"cannot be imported: {BROKEN}.server (No module named 'gatepass_missing_module')"),
            ({**GOOD, "KEY": "x"}, "unknown options: KEY; did you mean KEYS or KEY_ENV?"),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "PEM_FILE": "/no/key.pem"},
                "PEM_FILE names, /no/key.pem, cannot",
            ),
            (
                {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "PEM_FILE": SECRET},
                "the file that PEM_FILE names cannot be read",
            ),
        ],
    )
    def test_an_invalid_setting_stops_the_start_and_appears_in_the_checks(self, setting, sentence):
        with override_settings(GATEPASS=setting, MIDDLEWARE=[OURS]):
            with pytest.raises(ConfigurationError, match=re.escape(sentence)):
                WSGIHandler()
            found = checked()

        assert {message.level for message in found} == {ERROR}
        assert {message.id for message in found} <= {"gatepass.E001", "gatepass.E002", "gatepass.E003"}
        if not sentence.startswith("unknown"):
            assert any(sentence in message.msg for message in found)
        assert SECRET not in f"{found}"

    def test_unknown_options_are_named_one_by_one(self):
        with override_settings(GATEPASS={**GOOD, "ISUER": ISSUER, "LEWAY": 3}):
            assert [(message.id, message.msg) for message in checked()] == [
                ("gatepass.E002", "GATEPASS has an unknown option: ISUER; did you mean ISSUER?"),
                ("gatepass.E002", "GATEPASS has an unknown option: LEWAY; did you mean LEEWAY?"),
            ]

    @pytest.mark.parametrize("allow", ["HTTP_ON_LOOPBACK", ["HTTP_ON_LOOPBACK"], HTTP_ON_LOOPBACK, (HTTP_ON_LOOPBACK,)])
    def test_http_on_loopback_is_allowed_by_name_or_value(self, allow):
        here = "http://localhost:8080/realms/shop"
        setting = {**GOOD, "ISSUER": here, "RESOURCE_METADATA": f"{here}/metadata", "ALLOW": allow}

        assert answer_to(setting, token_without_kid(iss=here)).status == 200
        assert f'resource_metadata="{here}/metadata"' in answer_to(setting).all("www-authenticate")[0]
        del setting["KEY_ENV"]
        for keys in ({"JWKS_URI": f"{here}/certs"}, {}):  # keys are fetched only when a token needs one
            assert answer_to({**setting, **keys}).status == 401

    @pytest.mark.parametrize("allow", ["NON_HTTPS_ISSUER", NON_HTTPS_ISSUER])
    def test_an_issuer_that_is_no_url_is_allowed_by_name_or_value(self, allow):
        setting = {**GOOD, "ISSUER": "urn:example:auth", "ALLOW": allow}

        assert answer_to(setting, token_without_kid(iss="urn:example:auth")).status == 200
        assert answer_to(setting, token_without_kid(iss="urn:example:other")).status == 401

    def test_a_valid_setting_passes_the_checks(self):
        with override_settings(GATEPASS=GOOD):
            assert checked() == []

    def test_missing_middleware_appears_in_the_checks(self):
        with override_settings(GATEPASS=GOOD, MIDDLEWARE=[]):
            assert [message.id for message in checked()] == ["gatepass.W001"]

    def test_the_error_of_a_guard_without_the_middleware_names_it(self):
        with pytest.raises(ConfigurationError, match="AccessTokenMiddleware"):
            require_auth()(django_project.who)(RequestFactory().get("/"))
