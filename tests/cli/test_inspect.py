"""`gatepass inspect`: reports correctly on a token, and prints no unescaped text of it to the terminal."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest
from jwt.utils import base64url_encode
from tests.support.inspected_tokens import KEY, signed
from tests.support.needs import reason_for

from gatepass import HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER, Key, KeySet, TokenIssuer

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
SECRET = "8_cnwXZLd7aFD_hslfzGYRDpjZlPWpOgC7vqtZAB63Q"
OPTIONS = ["--issuer", ISSUER, "--audience", AUDIENCE]


def issuer(**settings):
    return TokenIssuer(**{"issuer": ISSUER, "audience": AUDIENCE, "keys": KEY, "client_id": "web", **settings})


def checks(result):
    """Return each line of the list of checks, by name."""
    pattern = re.compile(r"^  (passed|failed|not reached|not checked) +([a-z_ ]+?)(?:  .*|: .*)?$", re.MULTILINE)
    return {name: outcome for outcome, name in pattern.findall(result.stdout.decode())}


def test_a_valid_token_is_verified_and_the_command_succeeds(gatepass, key_file):
    result = gatepass("inspect", "--key", key_file, *OPTIONS, stdin=issuer().issue("anna", scope="orders:read"))

    assert result.returncode == 0
    assert set(checks(result).values()) == {"passed"}
    assert b"Claims  verified\n" in result.stdout
    assert b'"orders:read"' in result.stdout
    assert re.search(rb"exp +\d+  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, in 15 minutes", result.stdout)


def test_without_a_key_every_claim_is_marked_unverified(gatepass):
    result = gatepass("inspect", stdin=issuer().issue("anna"))

    assert result.returncode == 0
    assert result.stdout.count(b"UNVERIFIED") == 2
    assert b'"anna"' in result.stdout
    assert checks(result) == {}


@pytest.mark.parametrize(
    ("name", "allow"), [("http://localhost:8080", "http-on-loopback"), ("urn:example:auth", "non-https-issuer")]
)
def test_an_issuer_without_https_is_compared_if_allowed(gatepass, key_file, name, allow):
    value = {"http-on-loopback": HTTP_ON_LOOPBACK, "non-https-issuer": NON_HTTPS_ISSUER}[allow]
    token = issuer(issuer=name, allow=value).issue("anna")

    for named, outcome in ((name, "passed"), (f"{name}/x", "failed")):
        result = gatepass("inspect", "--key", key_file, "--issuer", named, "--allow", allow, stdin=token)
        assert checks(result)["issuer"] == outcome


def test_all_failures_are_shown_and_not_just_the_first(gatepass, key_file):
    token = issuer(keys=Key.from_jwk({**Key.generate("ES256").to_private_jwk(), "kid": KEY.kid}), clock=lambda: 1e9)

    result = gatepass("inspect", "--key", key_file, "--issuer", ISSUER, "--audience", "x", stdin=token.issue("anna"))

    found = checks(result)
    assert result.returncode == 1
    assert [found[name] for name in ("signature", "expiry", "audience", "issuer")] == ["failed"] * 3 + ["passed"]
    assert b"UNVERIFIED, no valid signature" in result.stdout
    assert b"invalid_audience" in result.stdout


def test_a_signed_but_refused_token_is_not_reported_as_verified(gatepass, key_file):
    result = gatepass("inspect", "--key", key_file, *OPTIONS, stdin=issuer(clock=lambda: 1e9).issue("anna"))

    assert result.returncode == 1
    assert b"signed with this key, but rejected" in result.stdout
    assert b"verified\n" not in result.stdout


def test_checks_without_an_expected_value_are_reported_as_not_checked(gatepass, key_file):
    result = gatepass("inspect", "--key", key_file, stdin=issuer().issue("anna"))

    assert result.returncode == 0
    assert checks(result)["issuer"] == checks(result)["audience"] == "not checked"
    assert b"verified, except issuer and audience" in result.stdout


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_a_claim_of_the_wrong_type_fails_without_an_expected_value(gatepass_here, key_file, claim):
    token = signed({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}, {claim: 5})

    result = gatepass_here("inspect", "--key", key_file, stdin=token)

    assert result.returncode == 1
    assert f"{claim} is n" in result.stdout.decode()


def test_the_profile_decides_what_counts_as_an_access_token(gatepass_here, key_file):
    token = signed({"alg": "ES256", "kid": KEY.kid}, {"iss": ISSUER, "aud": AUDIENCE, "exp": 4e9, "sub": "anna"})

    assert gatepass_here("inspect", "--key", key_file, *OPTIONS, stdin=token).returncode == 1
    assert gatepass_here("inspect", "--key", key_file, *OPTIONS, "--profile", "generic", stdin=token).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        KEY.public().to_pem(),
        KEY.to_private_pem(),
        json.dumps(KEY.to_jwk()),
        json.dumps(KeySet([KEY]).to_jwks()),
        base64.b64encode(KEY.public().to_pem().encode()).decode(),
        KEY.public().to_pem().replace("\n", "\\n"),
    ],
    ids=["public PEM", "private PEM", "JWK", "JWK Set", "PEM in base64", "PEM with written line breaks"],
)
def test_a_key_file_may_have_any_of_the_usual_forms(gatepass_here, tmp_path, text):
    (tmp_path / "key").write_text(text)

    assert gatepass_here("inspect", "--key", "key", *OPTIONS, stdin=issuer().issue("anna")).returncode == 0


@pytest.mark.parametrize("form", ["PEM", "secret"])
def test_the_kid_of_a_key_can_be_given_as_an_option(gatepass_here, tmp_path, form):
    key = (
        Key.from_secret(SECRET, kid="2026-11")
        if form == "secret"
        else Key.from_pem(KEY.to_private_pem(), kid="2026-11")
    )
    (tmp_path / "key").write_text(SECRET if form == "secret" else KEY.public().to_pem())
    token = issuer(keys=key).issue("anna")

    without = gatepass_here("inspect", "--key", "key", *OPTIONS, stdin=token)
    named = gatepass_here("inspect", "--key", "key", "--kid", "2026-11", *OPTIONS, stdin=token)

    other = gatepass_here("inspect", "--key", "key", "--kid", "2027-01", *OPTIONS, stdin=token)

    assert (without.returncode, named.returncode, other.returncode) == (0, 0, 1)  # a key without a kid is tried
    assert checks(other)["key"] == "failed"
    assert b"--kid" in other.stdout


def test_a_secret_works_from_a_file_and_from_the_environment(gatepass, tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    token = issuer(keys=Key.from_secret(SECRET)).issue("anna")

    from_file = gatepass("inspect", "--key", "secret", *OPTIONS, stdin=token)
    from_environment = gatepass(
        "inspect", "--key-env", "JWT_SECRET_KEY", *OPTIONS, stdin=token, env={"JWT_SECRET_KEY": SECRET}
    )

    assert (from_file.returncode, from_environment.returncode) == (0, 0)
    assert SECRET.encode() not in from_file.stdout + from_file.stderr


def test_a_copied_authorization_header_is_accepted(gatepass, tmp_path):
    (tmp_path / "line").write_text(f"Authorization: Bearer {issuer().issue('anna')}\n")

    assert b'"anna"' in gatepass("inspect", "line").stdout


def test_a_terminal_gets_a_prompt(tmp_path):
    pty = pytest.importorskip("pty", reason=reason_for("POSIX", "a terminal is made"))
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "gatepass", "inspect"], stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        os.write(ours, f"{issuer().issue('anna')}\n\x04".encode())
        output, errors = process.communicate(timeout=240)
    finally:
        os.close(ours)
        os.close(theirs)

    assert b"Paste the token" in errors
    assert b'"anna"' in output


@pytest.mark.parametrize("place", [["TOKEN"], ["Bearer", "TOKEN"], ["Bearer TOKEN"], ["-", "TOKEN"]])
def test_a_token_on_the_command_line_is_refused_and_not_repeated(gatepass_here, place):
    token = issuer().issue("anna")

    result = gatepass_here("inspect", *[text.replace("TOKEN", token) for text in place])

    assert result.returncode == 2
    assert b"history" in result.stderr
    assert token.encode() not in result.stdout + result.stderr


def test_a_long_name_does_not_pad_the_other_lines(gatepass):
    """A long name of one member must not fill every other line with spaces."""
    members = {"a" * 4_000: 1, **{f"b{number}": 1 for number in range(400)}}
    token = signed({"alg": "ES256"}, members)

    assert len(gatepass("inspect", stdin=token).stdout) < 4 * len(token)


LARGE = {
    "one octet that is shown as six": '{"a":"' + "\x7f" * 10_000 + '"}',
    "invisible letters": '{"a":"' + "\u3164" * 3_000 + '"}',
    "tags": '{"a":"' + "\U000e0041" * 2_400 + '"}',
    "short numbers that are written out": '{"a":[' + ",".join(["1e15"] * 2_000) + "]}",
    "short names beside a long one": "{"
    + ",".join(f'"{number:x}":0' for number in range(1_100))
    + ',"'
    + "a" * 99
    + '":0}',
    "names that are escaped": "{" + ",".join(f'"\x7f{number:x}":0' for number in range(900)) + "}",
    "marks on one letter": '{"a":"e' + "\u0301" * 4_000 + '"}',
    "lists in lists": '{"a":' + "[" * 31 + "]" * 31 + "}",
    "a long number": '{"a":' + "9" * 4_000 + "}",
    "dates": '{"exp":1,"nbf":1,"iat":1,"auth_time":1,"updated_at":1,"a":"' + "\x7f" * 9_000 + '"}',
}


@pytest.mark.parametrize("payload", LARGE.values(), ids=list(LARGE))
def test_a_report_grows_no_faster_than_the_token(gatepass_here, key_file, payload):
    parts = [base64url_encode(part) for part in (b'{"alg":"ES256"}', payload.encode())]
    token = b".".join([*parts, b"AAAA"]).decode()

    for options in ([], ["--key", key_file, *OPTIONS]):
        report = gatepass_here("inspect", *options, stdin=token).stdout
        assert b"Claims" in report
        assert len(report) < 6 * len(token) + 2_000


def test_a_variable_that_is_not_set_is_named_and_a_secret_in_its_place_is_not(gatepass_here):
    for name in ("JWT_KEY", "jwt_key_of_the_issuer"):
        assert (
            f"the environment variable {name} is not set" in gatepass_here("inspect", "--key-env", name).stderr.decode()
        )
    for secret in (SECRET, SECRET.replace("-", "_"), "A" * 32, "two words"):
        result = gatepass_here("inspect", "--key-env", secret)
        assert result.returncode == 2
        assert b"--key-env is not set" in result.stderr
        assert secret.encode() not in result.stderr + result.stdout


@pytest.mark.parametrize(
    "stdin", [b"abc", b"a.b.c", b"\xff\xfe\x00", b"a.b.c.d.e", b"A" * 1_200_000, b"bearer bearer x.y.z"]
)
def test_text_that_is_no_token_fails_with_a_message(gatepass_here, key_file, stdin):
    for options in ([], ["--key", key_file]):
        result = gatepass_here("inspect", *options, stdin=stdin)

        assert result.returncode == 1
        assert b"Unreadable token" in result.stdout
        assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing-file"], "No such file or directory"),
        (["."], "Is a directory"),
        (["--key", "missing"], "No such file or directory"),
        (["--key", "damaged.pem"], "cannot be read"),
        (["--key", "damaged.json"], "not valid JSON"),
        (["--key", "weak"], "needs at least 32 bytes"),
        (["--key", "empty"], "is empty"),
        (["--key-env", "NOT_SET_ANYWHERE"], "is not set: store the issuer's key in it"),
        (["--key", "damaged.pem", "--key-env", "X"], "exclude each other"),
        (["--key", "key.json", "--kid", "x"], "leave out --kid"),
        (["--issuer", ISSUER], "without the issuer's key"),
        (["--key", "key.pem", "--issuer", "http://auth.example"], "https URL"),
        (["--key", "key.pem", "--issuer", "http://auth.example", "--allow", "http-on-loopback"], "https URL"),
        (["--key", "key.pem", "--issuer", "http://localhost"], "Error: --issuer must be an https URL"),
        (["--key", "key.pem", "--issuer", "http://localhost"], "on this machine use --allow http-on-loopback"),
        (["--key", "key.pem", "--audience", "x", "--audience", "x"], "Error: --audience contains a value twice"),
        (["--allow", "non-https-issuer"], "without the issuer's key"),
        (["--key", "key.pem", "--algorithm", "RS256"], "does not fit"),
        (["one", "two"], "give one file at a time"),
        ([], "the input contains no token"),
    ],
)
def test_a_mistake_of_the_operator_gets_a_message(gatepass_here, tmp_path, key_file, arguments, sentence):
    (tmp_path / "damaged.pem").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    (tmp_path / "damaged.json").write_text('{"kty": ')
    (tmp_path / "key.json").write_text(json.dumps(KEY.to_jwk()))
    (tmp_path / "weak").write_text("hunter2")
    (tmp_path / "empty").write_text("\n")

    result = gatepass_here("inspect", *arguments)

    assert result.returncode == 2
    assert sentence in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert result.stdout == b""


def test_a_failed_check_shows_the_expected_value(gatepass_here, key_file):
    typed = signed({"alg": "ES256", "kid": KEY.kid, "typ": "JWT"}, {"iss": ISSUER, "aud": AUDIENCE})
    other = signed({"alg": "RS256", "kid": KEY.kid, "typ": "at+jwt"}, {"iss": ISSUER, "aud": AUDIENCE})

    shown = [gatepass_here("inspect", "--key", key_file, *OPTIONS, stdin=token).stdout for token in (typed, other)]

    assert b'(wrong_token_type: typ), expected: ["at+jwt"]' in shown[0]
    assert b'expected: ["ES256"]' in shown[1]


def test_a_reason_without_detail_is_printed_without_punctuation(gatepass_here, key_file):
    forged = issuer().issue("anna").rpartition(".")[0] + "." + "A" * 86

    assert b"(invalid_signature)" in gatepass_here("inspect", "--key", key_file, *OPTIONS, stdin=forged).stdout
