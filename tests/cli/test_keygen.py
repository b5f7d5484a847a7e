"""`gatepass keygen`: its output can be used unchanged, by this library and in a shell."""

import json
import os
import stat
import subprocess
import sys

import pytest
from tests.support.needs import reason_for

from gatepass import ConfigurationError, Key, KeySet
from gatepass.cli.keygen import _write_new
from gatepass.keys.algorithms import ALGORITHMS

pytestmark = pytest.mark.skipif(os.name != "posix", reason=reason_for("POSIX", "a shell and file modes are looked at"))


def private_key(text, algorithm):
    if text.startswith("{"):
        return Key.from_jwk(json.loads(text))
    return (
        Key.from_pem(text, algorithm=algorithm)
        if "BEGIN" in text
        else Key.from_secret(text.strip(), algorithm=algorithm)
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_printed_key_signs_with_its_algorithm(gatepass_here, algorithm):
    result = gatepass_here("keygen", algorithm)

    key = private_key(result.stdout.decode(), algorithm)

    assert result.returncode == 0
    assert key.verifies(b"text", key.sign(b"text"))


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "Ed25519"])
def test_a_jwk_has_its_algorithm_and_the_given_kid(gatepass_here, algorithm):
    result = gatepass_here("keygen", algorithm, "--format", "jwk", "--kid", "2026-11")

    key = Key.from_jwk(json.loads(result.stdout))

    assert (key.algorithm, key.kid, key.can_sign) == (algorithm, "2026-11", True)


@pytest.mark.parametrize(
    ("form", "load"), [("pem", Key.from_pem), ("jwk", lambda text: Key.from_jwk(json.loads(text)))]
)
def test_the_public_file_verifies_what_the_private_one_signs(gatepass_here, tmp_path, form, load):
    gatepass_here("keygen", "ES256", "--out", "private.pem", "--public-out", "public", "--public-format", form)

    signature = Key.from_pem((tmp_path / "private.pem").read_text()).sign(b"text")
    public = load((tmp_path / "public").read_text())

    assert not public.can_sign
    assert public.verifies(b"text", signature)


def test_a_public_key_set_is_ready_to_be_published(gatepass, tmp_path):
    result = gatepass("keygen", "ES256", "--format", "jwk", "--kid", "one", "--public-out", "jwks.json")

    published = KeySet.from_jwks((tmp_path / "jwks.json").read_text())

    assert [key.kid for key in published] == ["one"]
    assert '"d"' not in (tmp_path / "jwks.json").read_text()
    assert Key.from_jwk(json.loads(result.stdout)).public().to_jwk() == next(iter(published)).to_jwk()


def test_two_runs_generate_different_keys(gatepass):
    assert gatepass("keygen", "HS256").stdout != gatepass("keygen", "HS256").stdout


def test_a_shell_variable_receives_only_the_secret(tmp_path):
    script = f'export JWT_SECRET_KEY="$({sys.executable} -m gatepass keygen HS256)"; printf %s "$JWT_SECRET_KEY"'

    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert Key.from_secret(shell.stdout).algorithm == "HS256"
    assert shell.stdout == shell.stdout.strip()
    assert "Key.from_env" in shell.stderr


@pytest.mark.parametrize(("algorithm", "variable"), [("HS256", "JWT_SECRET_KEY"), ("ES256", "JWT_PRIVATE_KEY")])
def test_the_hint_names_the_usual_variable_of_a_secret_or_a_private_key(gatepass_here, algorithm, variable):
    for form in ([], ["--format", "jwk"]):
        assert f'Key.from_env("{variable}")'.encode() in gatepass_here("keygen", algorithm, *form).stderr


def test_a_private_key_in_a_variable_is_one_pem_block_for_from_env(gatepass, monkeypatch):
    monkeypatch.setenv("JWT_PRIVATE_KEY", gatepass("keygen", "ES256").stdout.decode())

    assert Key.from_env("JWT_PRIVATE_KEY").can_sign


def test_the_public_key_is_printed_to_standard_error(gatepass):
    result = gatepass("keygen", "ES256")

    assert b"PUBLIC KEY" not in result.stdout
    assert b"BEGIN PUBLIC KEY" in result.stderr
    assert b"PRIVATE KEY" not in result.stderr


@pytest.mark.parametrize("umask", [0o022, 0, 0o777])
def test_a_file_is_readable_by_its_owner_only_and_standard_output_is_empty(gatepass, tmp_path, umask):
    previous = os.umask(umask)
    try:
        result = gatepass("keygen", "HS512", "--out", "secret")
    finally:
        os.umask(previous)

    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert result.stdout == b""
    assert (tmp_path / "secret").read_bytes().strip() not in result.stderr


@pytest.mark.parametrize("option", ["--out", "--public-out"])
def test_a_file_that_exists_is_not_overwritten(gatepass, tmp_path, option):
    (tmp_path / "taken").write_text("precious")

    result = gatepass("keygen", option, "taken")

    assert result.returncode == 2
    assert (tmp_path / "taken").read_text() == "precious"
    assert b"not overwritten" in result.stderr
    assert result.stdout == b""


def test_a_file_created_concurrently_is_not_overwritten(tmp_path):
    (tmp_path / "taken").write_text("precious")

    with pytest.raises(ConfigurationError, match="not overwritten"):
        _write_new(tmp_path / "taken", "key", 0o600)

    assert (tmp_path / "taken").read_text() == "precious"


def test_a_dangling_link_is_not_followed(gatepass, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    assert gatepass("keygen", "--out", "link").returncode == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hs256", "HS256"),
        ("HS265", "HS256"),
        ("EC256", "ES256"),
        ("ed25519", "Ed25519"),
        ("RS", "RS256"),
        ("rsa", "RS256"),
        ("hs", "HS256"),
        ("es", "ES256"),
    ],
)
def test_a_typing_mistake_gets_a_suggestion(gatepass_here, typed, meant):
    result = gatepass_here("keygen", typed)

    assert result.returncode == 2
    assert f"did you mean {meant}?".encode() in result.stderr
    assert result.stdout == b""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none"], "choose one of"),
        (["\x1b[31mHS256\x1b[0m"], "there is no algorithm"),
        (["ES256", "--format", "secret"], "a key pair, not a secret"),
        (["HS256", "--format", "pem"], "no PEM form"),
        (["HS256", "--public-out", "x"], "no public key"),
        (["ES256", "--kid", "x"], "--kid needs --format jwk"),
        (["ES256", "--format", "jwk", "--kid", ""], "a kid must be"),
        (["ES256", "--out", "x", "--public-out", "x"], "different files"),
        (["ES256", "--out", "no/such/folder"], "No such file or directory"),
        (["ES256", "HS256"], "unexpected extra argument"),
        (["--nonsense"], "No such option"),
    ],
)
def test_an_invalid_option_gets_a_message_and_no_key(gatepass_here, tmp_path, arguments, sentence):
    result = gatepass_here("keygen", *arguments)

    assert result.returncode == 2
    assert sentence in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert b"\x1b" not in result.stderr
    assert result.stdout == b""
    assert list(tmp_path.iterdir()) == []
