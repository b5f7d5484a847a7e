"""Values that are accepted as HMAC secrets, and values that are refused (threats A2 and A7, K-01, K-02)."""

import base64
import codecs
import json
import secrets
from contextlib import suppress

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

from gatepass import ConfigurationError, Key, KeySet
from gatepass.keys.secret import _not_a_secret, is_key_material

KEY_MATERIAL = (
    "this secret is itself a key, a certificate or a JWK, which others may know; "
    "load it with Key.from_pem or Key.from_jwk, or make one with: gatepass keygen HS256"
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
    """Return the DER of a public key whose last octet is *octet*, which trimming could remove as whitespace."""
    while True:
        public = ec.generate_private_key(CURVES["P-256"]).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if der[-1] == octet:
            return der


PUBLIC = {
    # base64 of DER inside other text
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
def test_key_material_is_refused_as_a_secret_in_any_encoding(material, encoding):
    """A2: the public key as HMAC secret, as it is and under a layer of encoding."""
    secret = ENCODINGS[encoding](octets(PUBLIC[material]))

    assert refusal(lambda: Key.from_secret(secret)) == KEY_MATERIAL


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"])
@pytest.mark.parametrize("text", [PEM, JWK_TEXT, OPENSSH.decode(), BODY, DER.hex(), json.dumps({"keys": [JWK]})])
def test_key_material_with_other_unicode_characters_is_refused_too(text, form):
    """A2: characters that a text editor may have substituted."""
    assert refusal(lambda: Key.from_secret(text.encode(form))) == KEY_MATERIAL


def test_a_pem_body_without_its_label_is_refused():
    assert refusal(lambda: Key.from_secret(BODY)) == KEY_MATERIAL
    assert refusal(lambda: Key.from_secret("\n".join(PEM.splitlines()[1:-1]))) == KEY_MATERIAL


def test_key_material_is_detected_under_two_layers_of_encoding():
    """A base64 body that a secret store encoded again."""
    for text in (PEM.encode(), JWK_TEXT.encode(), DER):
        assert refusal(lambda text=text: Key.from_secret(base64.b64encode(text).hex())) == KEY_MATERIAL
    assert refusal(lambda: Key.from_secret(base64.b64encode(base64.b64encode(DER)))) == KEY_MATERIAL


def test_every_der_key_is_detected_regardless_of_its_last_octet():
    for _ in range(300):
        public = ec.generate_private_key(CURVES["P-256"]).public_key()
        assert is_key_material(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize("algorithm", HMAC_BYTES)
def test_no_constructor_of_an_hmac_key_accepts_a_public_key(algorithm, monkeypatch):
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
    """V-11: the same confusion in the other direction."""
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


def test_a_str_secret_is_encoded_as_utf8():
    assert Key.from_secret(SECRET).sign(b"text") == Key.from_secret(SECRET.encode()).sign(b"text")


@pytest.mark.parametrize("value", [None, 5, True, 3.5, [], ["x" * 40], bytearray(b"x" * 40), object(), {"k": SECRET}])
def test_a_secret_must_be_text_or_bytes(value):
    """A7: None and missing values are refused and not converted to text."""
    assert refusal(lambda: Key.from_secret(value)) == "a secret must be str or bytes"


def test_text_that_cannot_be_encoded_as_utf8_is_refused():
    assert refusal(lambda: Key.from_secret("\ud800" * 40)) == "a secret must be text that has a UTF-8 form"


@pytest.mark.parametrize("algorithm", ["none", "", None, "hs256", "HS1"])
def test_an_unknown_algorithm_is_refused_for_a_secret(algorithm):
    assert refusal(lambda: Key.from_secret(SECRET, algorithm=algorithm)).startswith("unknown algorithm; ")


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
def test_text_that_only_resembles_a_key_is_accepted(harmless):
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
def test_octets_that_only_begin_like_a_key_are_accepted(harmless):
    assert is_key_material(harmless) is False


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_secret_raises_configuration_errors_only(value):
    with suppress(ConfigurationError):
        assert Key.from_secret(value).is_secret


@given(st.binary(max_size=120), st.sampled_from([b"\x30", b"\x30\x82\x00\x40", b"{", b"[", b'"', b"\x04", b"0x30"]))
def test_octets_that_begin_like_a_key_are_checked_without_an_exception(data, start):
    assert is_key_material(start + data) in {True, False}


def test_no_error_repeats_the_secret():
    """C4."""
    for secret in (SECRET[:31], PEM, JWK_TEXT, "changeme" + SECRET, SECRET * 2):
        text = refusal(lambda secret=secret: KeySet([Key.from_secret(secret, algorithm="HS512")]))
        assert secret not in text
        assert SECRET[:8] not in text


def test_no_chained_error_repeats_the_secret():
    """C4: a traceback would print the secret of a chained exception."""
    with pytest.raises(ConfigurationError) as caught:
        Key.from_secret(SECRET + "\ud800")

    assert caught.value.__context__ is None


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
    """Files often end with one. A service that reads the secret from the environment would verify no token."""
    assert refusal(lambda: Key.from_secret(form(dress.format(SECRET)))) == BLANK_ENDS
    assert refusal(lambda: Key.from_secret(form(dress.format("äöüßéèñøåæçðþýÿž")))) == BLANK_ENDS


def test_the_environment_and_a_stripped_file_give_one_secret(monkeypatch):
    for dress in ("{}\n", "\ufeff{}", " \ufeff {} "):
        monkeypatch.setenv("JWT_KEY", dress.format(SECRET))

        assert Key.from_env("JWT_KEY").sign(b"text") == Key.from_secret(f"{SECRET}\n".strip()).sign(b"text")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" ", b"\t"])
def test_random_octets_may_end_with_any_octet(end):
    octets = bytes(range(128, 255, 3)) + b"\x07\xf3\x81"

    assert Key.from_secret(octets + end).can_sign
    assert Key.from_secret(end + octets).can_sign
    assert Key.from_jwk({"kty": "oct", "alg": "HS256", "k": base64url(SECRET.encode() + end)}).can_sign


# --- values that are mistaken for a secret ---


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
def test_the_path_of_a_file_is_refused(path):
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
def test_the_url_of_a_secret_is_refused(address):
    assert (
        refusal(lambda: Key.from_secret(address))
        == "this is an address, not a secret; give the value that is stored there"
    )


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_secret_in_quotes_is_refused(quote):
    told = refusal(lambda: Key.from_secret(f"{quote}{SECRET}{quote}"))

    assert told == "this secret is in quotes, which would be part of it: remove them"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_among_other_punctuation_may_be_part_of_a_random_secret(quote):
    assert Key.from_secret(f"{quote}x9Q!vB2#rT7$kL5%wN8^zP3&hM6*jD4@{quote}").can_sign


@pytest.mark.parametrize("before", ["", "Bearer "])
def test_a_token_is_refused_as_a_secret(before):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"

    assert (
        refusal(lambda: Key.from_secret(before + token))
        == "this is a token, not a secret: give the secret that signs tokens"
    )


@pytest.mark.parametrize("text", [b'["alg", "typ", 4711]', b'{"alg": "HS256"', b"\xff\xfe alg of no text"])
def test_three_segments_without_a_header_may_be_a_secret(text):
    first = base64.urlsafe_b64encode(text).decode().rstrip("=")

    assert _not_a_secret(f"{first}.c2lnbmF0dXJl.c2lnbmF0dXJl".encode()) is None


@given(st.binary(min_size=32, max_size=64))
def test_a_random_secret_is_never_refused(octets):
    spelled = base64.b64encode(octets)
    plain = [octets.hex().encode(), spelled, spelled.rstrip(b"="), base64.urlsafe_b64encode(octets).rstrip(b"=")]

    assert [_not_a_secret(secret) for secret in plain] == [None] * 4


@given(st.text("/ABCabc+=", min_size=32, max_size=64), st.text("abcdefghij/", max_size=12))
def test_a_random_secret_that_begins_with_slashes_is_not_refused(text, path):
    """One in sixty-four base64 secrets begins with a slash."""
    assert _not_a_secret(f"/{path}/{text}".encode()) is None
