"""What may serve as an HMAC secret, and all that may not (threats A2 and A7, K-01, K-02)."""

import base64
import codecs
import hashlib
import json
import secrets
from contextlib import suppress
from importlib.resources import files
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from tests.support.keys import (
    CURVES,
    HMAC_BYTES,
    SECRET,
    base64url,
    certificate,
    ec_private,
    ed448_private,
    ed25519_private,
    private_pem,
    public_pem,
    refusal,
    rsa_private,
)
from tests.support.known_secrets import SAMPLES, known_secrets, readings

from gatepass import ConfigurationError, Key, KeySet
from gatepass.keys.secret import _not_a_secret, is_key_material
from gatepass.keys.weak_secrets import is_guessable, is_known

KEY_MATERIAL = (
    "this secret is itself a key, a certificate or a JWK, which others may know; "
    "load it with Key.from_pem or Key.from_jwk, or make one with: gatepass keygen HS256"
)
GUESSABLE = (
    "this secret is guessable: repeated, sequential or a well-known example; make one with: gatepass keygen HS256"
)

RSA, EC = rsa_private(), ec_private()
JWK = Key(EC, algorithm="ES256", kid="k1").to_jwk()
JWK_TEXT = json.dumps(JWK)
PEM = public_pem(RSA).decode()
DER = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
BODY = "".join(PEM.splitlines()[1:-1])
OPENSSH = RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
SHORT = [
    private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for private in (ed25519_private(), ed448_private())
]
REQUEST = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(EC, hashes.SHA256())


def ending_in(octet: int) -> bytes:
    """The DER of a public key whose last octet is *octet*, which a trim would take for a blank."""
    while True:
        public = ec.generate_private_key(CURVES["P-256"]).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if der[-1] == octet:
            return der


PUBLIC = {
    # base64 of DER inside another text
    "behind a comment": f"# public key of the shop\n{BODY}",
    "behind a name": f"PUBLIC_KEY={BODY}",
    "with its line breaks written out": "\\n".join(BODY[start : start + 64] for start in range(0, len(BODY), 64)),
    "with a letter behind it": f"{BODY}x",
    "before another text": f"Key: {BODY} (2026)",
    "an Ed448 key behind a name": "ED=" + "".join(public_pem(ed448_private()).decode().splitlines()[1:-1]),
    "an Edwards key behind a name": "ED=" + "".join(public_pem(ed25519_private()).decode().splitlines()[1:-1]),
    "armour without dashes": PEM.replace("-", ""),
    "XML with a prefix": '<ds:RSAKeyValue xmlns:ds="x"><ds:Modulus>abc</ds:Modulus></ds:RSAKeyValue>',
    "XML with a namespace": '<RSAKeyValue xmlns="http://www.w3.org/2000/09/xmldsig#"><Modulus>xUxY</Modulus>',
    # PEM
    "SPKI, RSA": PEM,
    "SPKI, P-256": public_pem(EC),
    "SPKI, P-521": public_pem(ec_private(CURVES["P-521"])),
    "SPKI, Ed25519": public_pem(ed25519_private()),
    "SPKI, Ed448": public_pem(ed448_private()),
    "PKCS #1": public_pem(RSA, form=PublicFormat.PKCS1),
    "certificate": certificate(RSA),
    "certificate request": REQUEST.public_bytes(Encoding.PEM),
    "private key, PKCS #8": private_pem(EC),
    "private key, traditional": private_pem(EC, form=PrivateFormat.TraditionalOpenSSL),
    "private key, OpenSSH": private_pem(EC, form=PrivateFormat.OpenSSH),
    "private key, encrypted": private_pem(EC, password=b"open sesame"),
    "PEM, one line": PEM.replace("\n", ""),
    "PEM, written line breaks": PEM.replace("\n", "\\n"),
    "PEM, CRLF": PEM.replace("\n", "\r\n"),
    "PEM, blanks around": f" \t\r\n\v\f{PEM}\n\n \x00",
    "PEM, comment before": f"# our signing key\n{PEM}",
    "PEM, comment behind": f"{PEM}# our signing key",
    "PEM, indented": PEM.replace("\n", "\n    "),
    "PEM, BOM": f"\ufeff{PEM}",
    "PEM, blank and BOM": f" \ufeff {PEM}",
    "PEM, lower case": PEM.lower(),
    "PEM, truncated": PEM[:80],
    "PEM, for a URL": PEM.replace(" ", "%20").replace("+", "%2B"),
    "PEM, quoted": json.dumps(PEM),
    "PEM, quoted and escaped": '"' + "".join(f"\\u{ord(letter):04x}" for letter in PEM) + '"',
    "PEM, in an object": json.dumps({"kid": PEM}),
    "PEM, in a list": json.dumps([PEM]),
    # other containers
    "OpenSSH": OPENSSH,
    "OpenSSH, comment": OPENSSH + b" anna@example.com",
    "OpenSSH, tab": OPENSSH.replace(b" ", b"\t"),
    "OpenSSH, options": b'command="ls" ' + OPENSSH,
    "OpenSSH, quoted": b"'" + OPENSSH + b"'",
    "OpenSSH, upper case": OPENSSH.upper(),
    "OpenSSH, ECDSA": EC.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "OpenSSH, Ed25519": ed25519_private().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "OpenSSH, security key": b"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t",
    "OpenSSH, ECDSA security key": b"sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTY",
    "OpenSSH, base64 alone": OPENSSH.split()[1],
    "OpenSSH, octets": base64.b64decode(OPENSSH.split()[1]),
    "SSH2": b"---- BEGIN SSH2 PUBLIC KEY ----\n" + OPENSSH.split()[1] + b"\n---- END SSH2 PUBLIC KEY ----",
    "PuTTY": b"PuTTY-User-Key-File-3: ssh-ed25519",
    ".NET": b"<RSAKeyValue><Modulus>" + base64.b64encode(DER) + b"</Modulus></RSAKeyValue>",
    # DER
    "DER, SPKI": DER,
    "DER, SPKI, P-256": EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "DER, SPKI, Ed25519": ed25519_private().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "DER, PKCS #1": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1),
    "DER, certificate": certificate(EC, encoding=Encoding.DER),
    "DER, certificate request": REQUEST.public_bytes(Encoding.DER),
    "DER, private": EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "DER, private, traditional": EC.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "DER, encrypted": EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")),
    "DER, ends in a blank": ending_in(0x20),
    "DER, ends in a line break": ending_in(0x0A),
    "DER, ends in zero": ending_in(0x00),
    "DER, line break behind": DER + b"\n",
    "DER, anything behind": DER + b"\0\xff rest",
    "DER, of even size below 128, anything behind": SHORT[0] + b"\0\xff rest",
    "DER, of odd size below 128, anything behind": SHORT[1] + b"\0\xff rest",
    "DER, blank before": b"\n " + DER,
    "DER, BOM before": b"\xef\xbb\xbf" + DER,
    "point, P-256": EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    "point, P-384": ec_private(CURVES["P-384"])
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    "point, P-521": ec_private(CURVES["P-521"])
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
    # JSON
    "JWK": JWK_TEXT,
    "JWK, compact": json.dumps(JWK, separators=(",", ":")),
    "JWK, indented": json.dumps(JWK, indent=2),
    "JWK, blanks and BOM": f"\ufeff \n{JWK_TEXT}\n",
    "JWK, quoted": json.dumps(JWK_TEXT),
    "JWK, escaped": JWK_TEXT.replace('"kty"', '"\\u006bty"'),
    "JWK, in an object": json.dumps({"cnf": {"jwk": JWK}}),
    "JWK, in a list": json.dumps([JWK]),
    "JWK, trailing comma": JWK_TEXT + ",",
    "JWK, as Python": repr(JWK),
    "JWK, as YAML": "kty: EC\ncrv: P-256\nx: " + JWK["x"],
    "JWK, symmetric": json.dumps({"kty": "oct", "k": SECRET}),
    "JWK, escaped, in a list": "[" + JWK_TEXT.replace('"kty"', '"\\u006bty"') + "]",
    "JWK, escaped, UTF-32": codecs.BOM_UTF32_BE + JWK_TEXT.replace('"kty"', '"\\u006bty"').encode("utf-32-be"),
    "JWKS": json.dumps({"keys": [JWK]}),
    "JWKS, empty, padded": '{"keys": []}' + " " * 40,
    "JWKS, escaped": '{"\\u006beys": [{"\\u006bty": "EC"}], "padding": "0123456789"}',
}
ENCODINGS = {
    "as it is": lambda data: data,
    "base64": base64.b64encode,
    "base64, wrapped": base64.encodebytes,
    "base64, without padding": lambda data: base64.b64encode(data).rstrip(b"="),
    "base64url": base64.urlsafe_b64encode,
    "base64url, without padding": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    "hex": lambda data: data.hex().encode(),
    "hex, upper case": lambda data: data.hex().upper().encode(),
    "hex, colons": lambda data: data.hex(":").encode(),
    "hex, blanks": lambda data: data.hex(" ").encode(),
    "hex, 0x": lambda data: b"0x" + data.hex().encode(),
    "hex, UTF-16": lambda data: data.hex().encode().decode().encode("utf-16"),
    "base64, BOM": lambda data: b"\xef\xbb\xbf" + base64.b64encode(data),
}


def octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("material", PUBLIC)
def test_key_material_is_no_secret_in_any_spelling(material, encoding):
    """A2: the public key as HMAC secret, as it is and under a layer of encoding."""
    secret = ENCODINGS[encoding](octets(PUBLIC[material]))

    assert refusal(lambda: Key.from_secret(secret)) == KEY_MATERIAL


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"])
@pytest.mark.parametrize("text", [PEM, JWK_TEXT, OPENSSH.decode(), BODY, DER.hex(), json.dumps({"keys": [JWK]})])
def test_key_material_in_other_unicode_is_no_secret_either(text, form):
    """A2: what a text editor may have made of a key."""
    assert refusal(lambda: Key.from_secret(text.encode(form))) == KEY_MATERIAL


def test_a_pem_body_without_its_frame_is_no_secret():
    assert refusal(lambda: Key.from_secret(BODY)) == KEY_MATERIAL
    assert refusal(lambda: Key.from_secret("\n".join(PEM.splitlines()[1:-1]))) == KEY_MATERIAL


def test_two_layers_of_encoding_hide_no_key():
    """A base64 body, encoded again by whatever stores secrets."""
    for text in (PEM.encode(), JWK_TEXT.encode(), DER):
        assert refusal(lambda text=text: Key.from_secret(base64.b64encode(text).hex())) == KEY_MATERIAL
    assert refusal(lambda: Key.from_secret(base64.b64encode(base64.b64encode(DER)))) == KEY_MATERIAL


def test_every_der_key_is_found_whatever_octet_it_ends_with():
    for _ in range(300):
        public = ec.generate_private_key(CURVES["P-256"]).public_key()
        assert is_key_material(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize("algorithm", HMAC_BYTES)
def test_no_way_of_making_an_hmac_key_takes_a_public_key(algorithm, monkeypatch):
    """A2, V-11: constructor, from_secret, from_jwk, from_env."""
    oct_jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(PEM.encode()).decode().rstrip("=")}
    monkeypatch.setenv("JWT_KEY", BODY)
    expected = KEY_MATERIAL.replace("HS256", algorithm)

    assert refusal(lambda: Key(PEM.encode(), algorithm=algorithm)) == expected
    assert refusal(lambda: Key.from_secret(PEM, algorithm=algorithm)) == expected
    assert refusal(lambda: Key.from_jwk(oct_jwk, algorithm=algorithm)) == expected
    assert refusal(lambda: Key.from_env("JWT_KEY", algorithm=algorithm)) == (
        f"this key does not fit {algorithm}, which takes a secret: use Key.from_secret"
    )
    for material in (RSA, RSA.public_key(), EC, EC.public_key(), ed25519_private()):
        assert refusal(lambda material=material: Key(material, algorithm=algorithm)) == (
            f"this key does not fit {algorithm}, which takes a secret: use Key.from_secret"
        )


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES512", "Ed25519", "EdDSA"])
def test_a_secret_never_serves_an_asymmetric_algorithm(algorithm):
    """V-11: the same confusion the other way round."""
    assert refusal(lambda: Key.from_secret(SECRET, algorithm=algorithm)).startswith(
        f"this key does not fit {algorithm}, which takes "
    )


@pytest.mark.parametrize(("algorithm", "least"), HMAC_BYTES.items())
def test_a_secret_has_at_least_as_many_bytes_as_the_hash(algorithm, least):
    """K-01, RFC 7518 section 3.2."""
    enough = secrets.token_bytes(least)

    assert Key.from_secret(enough, algorithm=algorithm).algorithm == algorithm
    for short in range(least):
        assert refusal(lambda short=short: Key.from_secret(enough[:short], algorithm=algorithm)) == (
            f"an {algorithm} secret needs at least {least} bytes, this one has {short}; "
            f"make one with: gatepass keygen {algorithm}"
        )


def test_bytes_are_counted_not_characters():
    assert Key.from_secret("äöüßéèñøåæçðþýÿž").can_sign  # 16 characters, 32 bytes of UTF-8
    assert "this one has 31" in refusal(lambda: Key.from_secret("äöüßéèñøåæçðþýÿz"))


def test_a_str_secret_stands_for_its_utf8_bytes():
    assert Key.from_secret(SECRET).sign(b"text") == Key.from_secret(SECRET.encode()).sign(b"text")


@pytest.mark.parametrize("value", [None, 5, True, 3.5, [], ["x" * 40], bytearray(b"x" * 40), object(), {"k": SECRET}])
def test_a_secret_is_text_or_bytes(value):
    """A7: None and missing are refused, not turned into text."""
    assert refusal(lambda: Key.from_secret(value)) == "a secret must be str or bytes"


def test_text_without_a_utf8_form_is_no_secret():
    assert refusal(lambda: Key.from_secret("\ud800" * 40)) == "a secret must be text that has a UTF-8 form"


@pytest.mark.parametrize("algorithm", ["none", "", None, "hs256", "HS1"])
def test_a_secret_is_bound_to_an_algorithm_that_exists(algorithm):
    assert refusal(lambda: Key.from_secret(SECRET, algorithm=algorithm)).startswith("unknown algorithm; ")


@pytest.mark.parametrize(
    "weak",
    [
        "a" * 64,
        bytes(64),
        b"\xff" * 64,
        "ab" * 32,
        "abcdefg" * 8,  # seven different octets
        "secretsecretsecretsecretsecretsecretsecretsecret",
        "3Nd9-xQw7 " * 4,
        "3Nd9-xQw7zKp" * 3 + "3Nd9",  # the repetition breaks off
        "correct-battery-" + "correct-battery-" + "c",
        bytes(range(64)),
        bytes(range(255, 190, -1)),
        bytes(range(0, 256, 4)),
        bytes(number % 256 for number in range(200, 264)),
        "0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ],
)
def test_a_repeated_or_sequential_secret_is_refused(weak):
    """A7, K-02."""
    assert refusal(lambda: Key.from_secret(weak)) == GUESSABLE


@pytest.mark.parametrize(
    "known",
    [
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "09D25E094FAA6CA2556C818166B7A9563B93F7099F6F0F4CAA6CF63B88E8D3E7",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "413F4428472B4B6250655368566D5970337336763979244226452948404D6351",
        "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
        "3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQlk8O2IKoxQu4nF7EdAh8s3TwpHwrdWT6R",
        "zyxwvutsrqponmlkjihgfedcba987654",
        "hello world hello world hello world!",
        "cGxlYXNlY2hhbmdlbWVwbGVhc2VjaGFuZ2VtZTEyMzQ1Ng==",
        "706c656173656368616e67656d65706c656173656368616e67656d65",
        "this is my custom Secret key for authentication",
        "a-string-secret-at-least-256-bits-long",
        "change-me-please-0123456789-ABCDEF-xyz",
        "ChangeMe! ChangeMe? ChangeThis, 42 times",
        "change_this_in_production_4711_zyxw",
        "please-replace-me-before-4711-zyxw!",
        "please-replace-this-before-4711-zyx!",
        "your_secret_goes_here_0123456789_xyz",
        "my-secret-0123456789-abcdefgh-ijklmn",
        "super-secret-0123456789-zyxwvu-ijklm",
        "TOP_SECRET_4711_zyxwvu-ijklm_0815_qp",
        "this-is-my-secret_key-4711-zyxwvut!!",
        "jwt_secret_4711-zyxwvutsrq-0815-mnop",
        "test_secret_4711-zyxwvutsrq-0815-mnop",
        "example.secret.4711-zyxwvutsrq-0815-m",
        "secret string of some length 4711 xyz!",
        "your-256-bit-secret-4711-zyxwvutsrq-08",
        "your-384-bit-4711-zyxwvutsrq-0815-mnop",
        "your-512-bit-4711-zyxwvutsrq-0815-mnop",
        "this key is 256 bits long, 4711 zyxwvu",
        "django-insecure-4711zyxwvutsrq0815mnop",
        "this-is-insecure-4711zyxwvutsrq0815mno",
        "Password4711zyxwvutsrq0815mnop-ABC-DEF",
        "do not use in production 4711 zyxwvuts",
        "don't use this in production, 4711 zyx",
        "placeholder-4711zyxwvutsrq0815mnop-ABC",
        "correct horse battery staple, 4711 xyz",
        "qwertyuiopasdfghjkl4711zyxwvutsrq0815m",
        "12345678901234567890123456789012",
        "key-1234567890123-zyxwvutsrq-ABCDEF-GH",
        "abcdefghijklmnop4711ZYX-uvwQRSTU",
    ],
)
def test_a_well_known_secret_is_refused_however_it_is_written(known):
    """A7, K-02: tutorials, placeholders, keyboards."""
    assert refusal(lambda: Key.from_secret(known)) == GUESSABLE


def test_eight_different_octets_are_not_yet_guessable():
    assert Key.from_secret("abcdefgh" + "hgfedcba" + "aceghfdb" + "hfdbaceg").can_sign


def test_a_text_that_stands_there_twice_is_refused_and_less_than_twice_is_not():
    assert refusal(lambda: Key.from_secret(SECRET[:16] * 2)) == GUESSABLE
    assert refusal(lambda: Key.from_secret(SECRET[:17] * 2)) == GUESSABLE
    assert refusal(lambda: Key.from_secret(SECRET[:8] * 4)) == GUESSABLE
    assert Key.from_secret(SECRET[:17] + SECRET[:15]).can_sign
    assert Key.from_secret(SECRET[:17] + SECRET[:16]).can_sign


def test_a_secret_whose_first_part_alone_repeats_is_taken():
    assert Key.from_secret("3Nd9-xQw7zKp" * 2 + "uE_iOtKqWzYx").can_sign


@pytest.mark.parametrize("length", [32, 33, 43, 48, 64, 65, 86, 97, 128, 133])
def test_a_fresh_secret_is_taken_in_every_usual_form(length):
    """The refusals must not hit what they should protect."""
    for _ in range(60):
        fresh = secrets.token_bytes(length)
        for secret in (fresh, fresh.hex(), base64.b64encode(fresh), secrets.token_urlsafe(length)):
            assert Key.from_secret(secret).can_sign


@pytest.mark.parametrize(
    "harmless",
    [
        '{"just": "json", "of": ["some", "kind"], "n": 12345}',
        '["kangaroo", "typewriter", "umbrella", 4711]',
        "{not json: but it begins like it, 4711!}",
        "[" * 30 + "kangaroo typewriter",
        '{"keys": "not a list, kangaroo 4711 okapi"}',
        "kty without its colon, kangaroo 4711 okapi",
        "monkty: kangaroo typewriter umbrella 4711",
        "flossh-rsa kangaroo typewriter umbrella 47",
        "ssh-rsa:kangaroo:typewriter:umbrella:4711",
        "0kangaroo typewriter umbrella 4711 okapi zebra",
        "0x0g kangaroo typewriter umbrella 4711 okapi",
    ],
)
def test_text_that_merely_resembles_a_key_is_a_secret(harmless):
    assert Key.from_secret(harmless).can_sign


@pytest.mark.parametrize(
    "harmless",
    [
        b"\x30",
        b"\x30\x80" + bytes(range(40)),
        b"\x30\x84\xff\xff\xff\xff" + bytes(range(40)),
        b"\x30\x05\x02\x01\x05\x02\x00" + bytes(range(40)),
        b"\x04" + bytes(range(64)),
        b"\x04" + bytes(range(96)),
        b"",
        b"\0",
        b"\xff\xfe",
        b'"\xff"',
        b"[" * 100_000,
    ],
)
def test_octets_that_merely_begin_like_a_key_are_no_key(harmless):
    assert is_key_material(harmless) is False


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_whatever_is_handed_in_as_a_secret_only_configuration_errors_leave(value):
    with suppress(ConfigurationError):
        assert Key.from_secret(value).is_secret


@given(st.binary(max_size=120), st.sampled_from([b"\x30", b"\x30\x82\x00\x40", b"{", b"[", b'"', b"\x04", b"0x30"]))
def test_whatever_begins_like_a_key_is_judged_without_an_exception(data, start):
    assert is_key_material(start + data) in {True, False}


def test_no_error_repeats_the_secret():
    """C4."""
    for secret in (SECRET[:31], PEM, JWK_TEXT, "changeme" + SECRET, SECRET * 2):
        text = refusal(lambda secret=secret: KeySet([Key.from_secret(secret, algorithm="HS512")]))
        assert secret not in text
        assert SECRET[:8] not in text


def test_the_error_of_a_secret_holds_no_other_error_that_repeats_it():
    """C4: a chained exception would print the secret in the traceback."""
    with pytest.raises(ConfigurationError) as caught:
        Key.from_secret(SECRET + "\ud800")

    assert caught.value.__context__ is None


# --- secrets that others know ---

WRITINGS = {
    "as it is": lambda octets: octets,
    "hex": lambda octets: octets.hex().encode(),
    "hex, upper case": lambda octets: octets.hex().upper().encode(),
    "base64": base64.b64encode,
    "base64url, without padding": lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"="),
    "base32": base64.b32encode,
    "base64, as Laravel names it": lambda octets: b"base64:" + base64.b64encode(octets),
    "base64 of hex": lambda octets: base64.b64encode(octets.hex().encode()),
    "hex of base64": lambda octets: base64.b64encode(octets).hex().encode(),
}
PRINTED = [(place, text) for place, texts in SAMPLES.items() for text in texts]
DIGESTS = ["md5", "sha1", "sha256", "sha384", "sha512"]


def test_the_file_of_known_secrets_holds_the_digests_of_the_samples():
    assert (files("gatepass.keys") / "known_secrets.txt").read_text() == known_secrets()


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize(("place", "text"), PRINTED, ids=[f"{place} {text[:12]}" for place, text in PRINTED])
def test_a_secret_that_many_read_is_refused_in_every_writing_and_by_every_maker(place, text, writing, monkeypatch):
    """K-02: the text, and what it stands for if it can be read as hex or base64."""
    for octets in readings(text):
        secret = WRITINGS[writing](octets)
        assert is_known(secret)
        if len(secret) < 32:
            continue
        makers = [
            lambda secret=secret: Key(secret, algorithm="HS256"),
            lambda secret=secret: Key.from_secret(secret),
            lambda secret=secret: Key.from_jwk({"kty": "oct", "alg": "HS256", "k": base64url(secret)}),
        ]
        if secret.isascii() and secret.decode().isprintable():
            monkeypatch.setenv("JWT_KEY", secret.decode())
            makers.append(lambda: Key.from_env("JWT_KEY"))
        for make in makers:
            assert refusal(make) == GUESSABLE


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize(
    "word", ["", "secret", "password", "Secret", "PASSWORD", "admin", "123456", "qwerty", "changeme", "jwt", "secret\n"]
)
@pytest.mark.parametrize("writing", WRITINGS)
def test_the_digest_of_a_usual_word_is_refused_in_every_writing(word, digest, writing):
    """As the shell makes it with `echo secret | sha256sum`, too."""
    secret = WRITINGS[writing](hashlib.new(digest, word.encode()).digest())

    if len(secret) >= 32:
        assert refusal(lambda: Key.from_secret(secret)) == GUESSABLE


@pytest.mark.parametrize(
    "sentence",
    [
        "this is used to sign tokens and should be kept private",
        "THIS IS USED TO SIGN AND VERIFY JWT TOKENS, ANY STRING WILL DO",
        "my secret key for jwt tokens in this app",
        "my_signing_key_for_the_api_2024_prod",
        "jwt-signing-key-for-development-only",
        "MyCompanyProductionJwtSigningKey2024!",
        "thisisaverysecurekeyforjwttokens123",
        "use a strong random value here in production!!",
        "the quick brown fox jumps over the lazy dog",
        "averylongkeythatnobodywillguess12",
        "token.signing.key.for.local.testing",
    ],
)
def test_a_sentence_of_usual_words_is_refused(sentence):
    assert refusal(lambda: Key.from_secret(sentence)) == GUESSABLE
    assert refusal(lambda: Key.from_secret(base64.b64encode(sentence.encode()))) == GUESSABLE


@pytest.mark.parametrize(
    "walk",
    [
        "asdfghjklasdfghjklqwertyuzxcvbnm12",
        "qwertzuiopasdfghjklyxcvbnm1234567890",
        "azertyuiopqsdfghjklmwxcvbn123456789",
        "qwerty uiop asdf ghjkl zxcvbnm 1234",
        "poiuytrewqlkjhgfdsamnbvcxz0987654321",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
        "!QAZ@WSX#EDC$RFV%TGB^YHN&UJM*IK<",
        "1q2w3e4r5t6y7u8i9o0p1Q2W3E4R5T6Y",
        "abcdefg1234567hijklmnop890qrstuvw",
        "aaaabbbbccccddddeeeeffffgggghhhhiiii",
        "0123456789876543210012345678987654321",
    ],
)
def test_a_walk_over_the_keyboard_is_refused(walk):
    assert refusal(lambda: Key.from_secret(walk)) == GUESSABLE


# What allkeysgenerator.com gives out: another beginning each time, in characters or in hex.
GENERATED = [
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "586E3272357538782F413F4428472B4B6250655368566B597033733676397924",
    "77397A244326462948404D635166546A576E5A7234753778214125442A472D4B",
    "597133743677397A244326462948404D635166546A576E5A7234753778214125",
    "38792F423F4428472B4B6250655368566D597133743677397A24432646294840",
    "w9z$C&F)H@McQfTjWnZr4u7x!A%D*G-K",
    "p2r5u8x/A?D(G+KbPeShVmYq3t6v9y$B",
    "z$C&F)H@McQfTjWnZr4u7x!A%D*G-KaP",
]


@pytest.mark.parametrize("generated", GENERATED)
@pytest.mark.parametrize("writing", WRITINGS)
def test_a_slice_of_the_sequence_that_a_website_gives_out_is_refused(generated, writing):
    octets = bytes.fromhex(generated) if generated.isalnum() else generated.encode()

    assert refusal(lambda: Key.from_secret(WRITINGS[writing](octets))) == GUESSABLE


@pytest.mark.parametrize("length", [32, 48, 64])
def test_every_other_slice_of_it_is_refused_too(length):
    ring = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789!/$%?&(*)+-@"
    for start in range(66):
        places = (start + place * 69 // 2 for place in range(length))
        assert is_guessable(bytes(ring[place % 66] for place in places))


@pytest.mark.parametrize(
    "guessable",
    [
        "P@ssw0rdP@ssw0rd!P@ssw0rd123456!!",
        "5up3r53cr3tk3y5up3r53cr3tk3y12345",
        "Sup3rS3cr3tK3y!Sup3rS3cr3tK3y!0000",
        "my-5ecret-5igning-key-for-jwt-2024",
        "thi5-k3y-i5-for-th3-pr0duct10n-s3rv3r",
        "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
        "1a2b3c4d5e6f7g8h9i0j1k2l3m4n5o6p",
        "A0B1C2D3E4F5A6B7C8D9E0F1A2B3C4D5",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit",
        "loremipsumdolorsitametconsecteturadipiscing",
        "31415926535897932384626433832795",
        "3.1415926535897932384626433832795",
        "27182818284590452353602874713526",
        "deadbeefcafebabe0123456789abcdef",
        "DEADBEEFCAFEBABEFEEDFACEBAADF00D",
        "00000000-0000-0000-0000-000000000000",
    ],
)
@pytest.mark.parametrize("writing", WRITINGS)
def test_what_one_writes_without_thinking_is_refused(guessable, writing):
    assert refusal(lambda: Key.from_secret(WRITINGS[writing](guessable.encode()))) == GUESSABLE


def test_a_passphrase_of_other_words_is_taken():
    """Half of a text must be usual words; `okapi` ends with one, and counts as no more than that."""
    assert Key.from_secret("kangaroo typewriter umbrella zebra okapi").can_sign


@pytest.mark.parametrize(
    "writing",
    [
        lambda octets: octets,
        lambda octets: octets.hex().encode(),
        base64.b64encode,
        lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"="),
        lambda octets: base64.b32encode(octets).lower(),
        base64.b32encode,
        lambda octets: str(UUID(bytes=octets[:16])).encode(),
        lambda octets: base64.b64encode(octets.hex().encode()),
        lambda octets: bytes(33 + octet % 94 for octet in octets),
    ],
    ids=[
        "octets",
        "hex",
        "base64",
        "base64url",
        "base32",
        "BASE32",
        "UUID",
        "base64 of hex",
        "printable",
    ],
)
def test_of_many_random_secrets_none_is_taken_for_a_guessable_one(writing):
    secrets_alike = (writing(hashlib.sha256(b"%d" % number).digest()) for number in range(1_500))

    assert not list(filter(is_guessable, secrets_alike))


def test_a_random_secret_is_not_taken_for_a_known_one():
    digests = (hashlib.sha512(b"number %d" % number).digest() for number in range(60))

    assert not [digest for digest in digests for size in (32, 48, 64) if is_known(digest[:size])]


# --- line breaks ---

BLANK_ENDS = (
    "this secret begins or ends with a line break, a blank or a byte order mark, which would be part of it: remove it, "
    'as Path(...).read_text("utf-8-sig").strip() does'
)


@pytest.mark.parametrize("form", [str, str.encode])
@pytest.mark.parametrize(
    "dress",
    [
        "\ufeff{}",
        "\ufeff{}\n",
        "\n\ufeff{}",
        "a\x01{}\n",
        "a\n{}\n",
        "{}\n",
        "{}\r\n",
        "{}\n\n",
        "\n{}",
        "\r\n{}",
        " {}",
        "{} ",
        "{}\t",
        "\t{}\n",
        "{}\r",
    ],
)
def test_a_line_break_around_a_secret_is_refused(dress, form):
    """As a file has it: who reads the same secret from the environment does not see it, and verifies nothing."""
    assert refusal(lambda: Key.from_secret(form(dress.format(SECRET)))) == BLANK_ENDS
    assert refusal(lambda: Key.from_secret(form(dress.format("äöüßéèñøåæçðþýÿž")))) == BLANK_ENDS


def test_the_environment_and_a_stripped_file_give_one_secret(monkeypatch):
    for dress in ("{}\n", "\ufeff{}", " \ufeff {} "):
        monkeypatch.setenv("JWT_KEY", dress.format(SECRET))

        assert Key.from_env("JWT_KEY").sign(b"text") == Key.from_secret(f"{SECRET}\n".strip()).sign(b"text")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" ", b"\t"])
def test_random_octets_may_end_in_any_way(end):
    octets = bytes(range(128, 255, 3)) + b"\x07\xf3\x81"

    assert Key.from_secret(octets + end).can_sign
    assert Key.from_secret(end + octets).can_sign
    assert Key.from_jwk({"kty": "oct", "alg": "HS256", "k": base64url(SECRET.encode() + end)}).can_sign


# --- what stands in the place of a secret ---


@pytest.mark.parametrize(
    "path",
    [
        "/etc/keys/my-private-signing-key-file.pem",
        "/run/secrets/jwt_signing_secret_of_the_shop",
        "keys/production/my-private-signing-key.PEM",
        "./keys/production/my private signing key",
        "../keys/production/my-private-signing-key",
        "~/keys/production/my-private-signing-key",
        "C:\\keys\\production\\my-private-signing-key",
        "/srv/provider-jwks.json",
    ],
)
def test_the_path_of_a_file_is_no_secret(path):
    told = refusal(lambda: Key.from_secret(path))

    assert told == (
        "this is the path of a file, not a secret; load its content with Key.from_pem(Path(...).read_bytes())"
    )


@pytest.mark.parametrize(
    "address",
    [
        "https://login.example.com/tenant/v2.0/keys",
        "vault://secret/data/production/jwt-signing-secret",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:jwt",
    ],
)
def test_the_address_of_a_secret_is_no_secret(address):
    assert (
        refusal(lambda: Key.from_secret(address))
        == "this is an address, not a secret; give the value that is stored there"
    )


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_secret_in_quotes_is_refused(quote):
    told = refusal(lambda: Key.from_secret(f"{quote}{SECRET}{quote}"))

    assert told == "this secret is in quotes, which would be part of it: remove them"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quote_signs_among_other_punctuation_may_be_part_of_a_random_secret(quote):
    assert Key.from_secret(f"{quote}x9Q!vB2#rT7$kL5%wN8^zP3&hM6*jD4@{quote}").can_sign


@pytest.mark.parametrize("before", ["", "Bearer "])
def test_a_token_is_no_secret(before):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"

    assert (
        refusal(lambda: Key.from_secret(before + token))
        == "this is a token, not a secret: give the secret that signs tokens"
    )


def test_three_segments_without_a_header_may_be_a_secret():
    listed = base64.urlsafe_b64encode(b'["alg", "typ", 4711]').decode().rstrip("=")

    assert _not_a_secret(f"{listed}.c2lnbmF0dXJl.c2lnbmF0dXJl".encode()) is None


@given(st.binary(min_size=32, max_size=64))
def test_a_random_secret_is_never_taken_for_anything_else(octets):
    spelled = base64.b64encode(octets)
    plain = [octets.hex().encode(), spelled, spelled.rstrip(b"="), base64.urlsafe_b64encode(octets).rstrip(b"=")]

    assert [_not_a_secret(secret) for secret in plain] == [None] * 4


@given(st.text("/ABCabc+=", min_size=32, max_size=64), st.text("abcdefghij/", max_size=12))
def test_nor_is_one_that_begins_with_slashes(text, path):
    """As one in sixty-four in base64 does."""
    assert _not_a_secret(f"/{path}/{text}".encode()) is None
