"""Keys and certificates in PEM."""

import base64
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.keys import (
    ASYMMETRIC,
    CURVES,
    certificate,
    ec_private,
    ed448_private,
    ed25519_private,
    private_for,
    private_pem,
    public_pem,
    refusal,
    rsa_private,
)

from gatepass import ConfigurationError, Key

UNREADABLE = "this PEM cannot be read: it is damaged, of an unsupported kind, or the password is wrong"
ENCRYPTED = "this private key is encrypted: give password= to Key.from_pem or Key.from_env"
NOT_ENCRYPTED = "password= is for an encrypted PEM, and this one is not: omit it"
NO_BLOCK = "no PEM block found: it begins with -----BEGIN"
NO_KEY = "no key found in this PEM: it contains only parameters"
TWO_BLOCKS = "more than one PEM block: give one key"
EMPTY_PASSWORD = "password= is empty: omit it for a PEM that is not encrypted"


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_private_key_public_key_and_certificate_give_one_key(algorithm):
    private = private_for(algorithm)
    pems = [private_pem(private), public_pem(private)]
    if algorithm not in {"Ed25519", "Ed448", "EdDSA"}:
        pems.append(certificate(private))
    keys = [Key.from_pem(pem, algorithm=algorithm) for pem in pems]

    assert [key.can_sign for key in keys] == [True, False, False][: len(keys)]
    assert {key.kid for key in keys} == {keys[0].thumbprint()}
    assert all(key.verifies(b"text", keys[0].sign(b"text")) for key in keys)
    assert {key.algorithm for key in keys} == {algorithm}


@pytest.mark.parametrize(
    ("private", "algorithm"),
    [
        (rsa_private(), "RS256"),
        (ec_private(CURVES["P-256"]), "ES256"),
        (ec_private(CURVES["P-384"]), "ES384"),
        (ec_private(CURVES["P-521"]), "ES512"),
    ],
)
def test_without_algorithm_the_default_of_type_and_curve_is_bound(private, algorithm):
    for pem in (private_pem(private), public_pem(private), certificate(private)):
        assert Key.from_pem(pem).algorithm == algorithm


@pytest.mark.parametrize(
    ("private", "names"),
    [
        (ed25519_private(), "algorithm='Ed25519' or algorithm='EdDSA'"),
        (ed448_private(), "algorithm='Ed448' or algorithm='EdDSA'"),
    ],
)
def test_an_edwards_key_needs_the_algorithm_name_that_the_tokens_use(private, names):
    """K-07."""
    for pem in (private_pem(private), public_pem(private)):
        assert refusal(lambda pem=pem: Key.from_pem(pem)) == f"give the name that the tokens use: {names}"


@pytest.mark.parametrize(
    "pem",
    [
        private_pem(rsa_private(), form=PrivateFormat.TraditionalOpenSSL),
        private_pem(ec_private(), form=PrivateFormat.TraditionalOpenSSL),
        public_pem(rsa_private(), form=PublicFormat.PKCS1),
    ],
)
def test_the_older_pem_labels_are_accepted(pem):
    assert Key.from_pem(pem).kid


@pytest.mark.parametrize("dress", ["# a comment\n{}", "{}\n# a comment", "\n\n  \n{}\n\n", "\ufeff\n{}", "{}\0"])
def test_text_around_the_block_is_ignored(dress):
    pem = public_pem(ec_private()).decode()

    assert Key.from_pem(dress.format(pem)).to_pem() == pem


def test_str_and_bytes_mean_the_same():
    pem = private_pem(ec_private())

    assert Key.from_pem(pem).kid == Key.from_pem(pem.decode()).kid


@pytest.mark.parametrize("pem", [None, 5, [], {}, bytearray(b"-----BEGIN "), object()])
def test_a_pem_must_be_text_or_bytes(pem):
    assert refusal(lambda: Key.from_pem(pem)) == "a PEM must be str or bytes"
    assert refusal(lambda: Key.from_pem(Path("a"))).endswith("give the content of a file, Path(...).read_bytes()")


def test_a_pem_must_be_encodable_as_utf8():
    assert refusal(lambda: Key.from_pem("\ud800")) == "a PEM must be text that has a UTF-8 form"


@pytest.mark.parametrize(
    "pem", ["", "key", "----BEGIN PUBLIC KEY-----", "/etc/keys/private.pem", "-----BEGIN", b"\x30\x59"]
)
def test_text_without_a_block_is_refused(pem):
    assert refusal(lambda: Key.from_pem(pem)) == NO_BLOCK


@pytest.mark.parametrize(
    "pem",
    [
        private_pem(ec_private()) + public_pem(ec_private()),
        certificate(rsa_private()) + private_pem(rsa_private()),
        public_pem(ec_private()) + public_pem(rsa_private()),
        b"# see -----BEGIN PUBLIC KEY-----\n" + public_pem(ec_private()),
    ],
)
def test_two_blocks_are_refused(pem):
    """Other parsers may use the other block."""
    assert refusal(lambda: Key.from_pem(pem)) == TWO_BLOCKS


SSH_PUBLIC = rsa_private().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
OTHER_FORMS = {
    "OpenSSH, private": (private_pem(ec_private(), form=PrivateFormat.OpenSSH), "ssh-keygen -p -m PKCS8 -f FILE"),
    "OpenSSH, public": (SSH_PUBLIC, "ssh-keygen -e -m PKCS8 -f FILE"),
    "SSH2": (
        b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
        "ssh-keygen -e -m PKCS8 -f FILE",
    ),
    "a certificate request": (
        x509.CertificateSigningRequestBuilder(x509.Name([]))
        .sign(ec_private(), hashes.SHA256())
        .public_bytes(Encoding.PEM),
        "openssl req -pubkey -noout -in FILE",
    ),
    "a trusted certificate": (
        certificate(ec_private()).replace(b" CERTIFICATE", b" TRUSTED CERTIFICATE"),
        "openssl x509 -in FILE",
    ),
    "PKCS #7": (b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "openssl pkcs7 -print_certs -in FILE"),
    "DER, private": (
        rsa_private().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "openssl pkey -inform der -in FILE",
    ),
    "DER, short": (
        ed25519_private().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "openssl pkey -inform der -in FILE",
    ),
    "DER, certificate": (certificate(ec_private(), encoding=Encoding.DER), "openssl x509 -inform der -in FILE"),
}


@pytest.mark.parametrize(("other", "command"), OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_a_key_in_another_format_is_refused_with_the_command_that_converts_it(other, command):
    assert command in refusal(lambda: Key.from_pem(other))


@pytest.mark.parametrize("spelt", [base64.b64encode, base64.encodebytes, lambda der: der.hex().encode()])
@pytest.mark.parametrize("private", [rsa_private(), ec_private(), ed25519_private()])
def test_base64_encoded_der_is_accepted(private, spelt, monkeypatch):
    """An environment variable may hold the body of a PEM without its label."""
    algorithm = "Ed25519" if private is ed25519_private() else None
    signing = Key.from_pem(private_pem(private), algorithm=algorithm)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    for der, can_sign in (
        (private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), True),
        (public, False),
    ):
        monkeypatch.setenv("JWT_KEY", spelt(der).decode())
        for key in (Key.from_pem(spelt(der), algorithm=algorithm), Key.from_env("JWT_KEY", algorithm=algorithm)):
            assert (key.kid, key.can_sign, key.algorithm) == (signing.kid, can_sign, signing.algorithm)
        for make in (Key.from_secret, lambda text: Key.from_env("JWT_KEY", algorithm="HS256")):
            with pytest.raises(ConfigurationError):
                make(spelt(der))


P256 = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n"])
def test_the_parameters_that_openssl_writes_before_a_key_are_ignored(newline):
    """`openssl ecparam -genkey`: the key itself names its curve."""
    private = private_pem(ec_private(), form=PrivateFormat.TraditionalOpenSSL).decode()

    for text in (P256 + private, private + P256):
        assert Key.from_pem(text.replace("\n", newline)).kid == Key.from_pem(private).kid
    assert refusal(lambda: Key.from_pem(P256)) == NO_KEY
    assert refusal(lambda: Key.from_pem(P256 * 2)) == NO_KEY
    assert refusal(lambda: Key.from_pem(P256 + private * 2)) == TWO_BLOCKS
    encrypted = private_pem(ec_private(), form=PrivateFormat.TraditionalOpenSSL, password=b"x").decode()
    assert Key.from_pem(P256 + encrypted, password="x").can_sign


def issued(name: str, key, issuer: str, by) -> bytes:
    def named(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(named(issuer), named(name), key.public_key(), 7, day, day + timedelta(days=400))
    return builder.sign(by, hashes.SHA256()).public_bytes(Encoding.PEM)


LEAF = issued("leaf", ec_private(), "middle", rsa_private())
MIDDLE = issued("middle", rsa_private(), "root", ec_private(CURVES["P-384"]))
ROOT = issued("root", ec_private(CURVES["P-384"]), "root", ec_private(CURVES["P-384"]))


@pytest.mark.parametrize("chain", [LEAF, LEAF + MIDDLE, LEAF + MIDDLE + ROOT])
def test_of_a_chain_of_certificates_the_first_is_the_signers(chain):
    """`fullchain.pem`, RFC 8446 section 4.4.2: each certificate is issued by the next one."""
    assert Key.from_pem(chain).kid == Key.from_pem(public_pem(ec_private())).kid


@pytest.mark.parametrize("chain", [MIDDLE + LEAF, ROOT + MIDDLE + LEAF, LEAF + ROOT, LEAF * 2, LEAF + ROOT + MIDDLE])
def test_certificates_in_another_order_are_refused(chain):
    """Otherwise the key of an authority would be taken for the signer's."""
    assert refusal(lambda: Key.from_pem(chain)) == (
        "these certificates do not form a chain that begins with the signer's own: give only that one"
    )


@pytest.mark.parametrize("parts", [(LEAF, private_pem(ec_private())), (private_pem(ec_private()), LEAF, MIDDLE)])
def test_a_key_beside_certificates_is_refused(parts):
    assert refusal(lambda: Key.from_pem(b"".join(parts))) == TWO_BLOCKS


@pytest.mark.parametrize(
    "dress",
    [
        base64.b64encode,
        base64.encodebytes,
        lambda pem: base64.urlsafe_b64encode(pem).rstrip(b"="),
        lambda pem: base64.b64encode(pem.replace(b"\n", b"\r\n")),
        lambda pem: pem.replace(b"\n", b"\\n"),
        lambda pem: pem.replace(b"\n", b"\\r\\n"),
        lambda pem: pem.replace(b"\n", b"\\\\n"),
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: b'"' + pem.replace(b"\n", b"\\n") + b'"',
        lambda pem: b"'" + pem + b"'",
        lambda pem: b"    " + pem.replace(b"\n", b"\n    "),
        lambda pem: b"\xef\xbb\xbf" + pem,
        lambda pem: pem.decode().encode("utf-16"),
        lambda pem: pem.decode().encode("utf-16-be"),
        lambda pem: b"\xef\xbb\xbf" + base64.b64encode(pem),
    ],
)
@pytest.mark.parametrize(
    ("pem", "password"),
    [
        (private_pem(ec_private()), None),
        (public_pem(rsa_private()), None),
        (LEAF + MIDDLE, None),
        (private_pem(ec_private(), password=b"x"), "x"),
        (private_pem(ec_private(), password=b"x", form=PrivateFormat.TraditionalOpenSSL), "x"),
    ],
    ids=["private", "public", "chain", "encrypted", "encrypted, traditional"],
)
def test_a_pem_is_read_as_deployment_tools_rewrite_it(pem, password, dress):
    assert Key.from_pem(dress(pem), password=password).kid == Key.from_pem(pem, password=password).kid


# --- RSA keys for PSS only ---

PSS = {
    None: bytes.fromhex("300b06092a864886f70d01010a"),
    **{
        name: bytes.fromhex(
            f"304106092a864886f70d01010a3034a00f300d060960864801650304020{number}0500a11c301a06092a864886f70d010108300d0609"
            f"60864801650304020{number}0500a203020130"
        )
        for number, name in ((1, "PS256"), (2, "PS384"), (3, "PS512"))
    },
}
"""The identifiers that `openssl genpkey -algorithm RSA-PSS` writes, without parameters and with those of one hash."""


def sequence(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = b"\x82" + len(body).to_bytes(2) if len(body) > 127 else bytes([len(body)])
    return bytes([tag]) + size + body


def framed(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def pss_pems(identifier: bytes) -> list[bytes]:
    """Return a public and a private key, and a certificate with such a key."""
    pkcs1 = rsa_private().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    inner = rsa_private().private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = sequence(0x30, identifier, sequence(0x03, b"\0", pkcs1))
    private = sequence(0x30, b"\x02\x01\x00", identifier, sequence(0x04, inner))
    plain = rsa_private().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    der = certificate(rsa_private(), encoding=Encoding.DER)
    body = der[4 : 8 + int.from_bytes(der[6:8])]
    return [
        framed("PUBLIC KEY", public),
        framed("PRIVATE KEY", private),
        framed("CERTIFICATE", sequence(0x30, sequence(0x30, body[4:].replace(plain, public)), der[4 + len(body) :])),
    ]


@pytest.mark.parametrize("only", PSS)
@pytest.mark.parametrize("place", range(3), ids=["public", "private", "certificate"])
def test_a_key_for_pss_only_is_never_bound_to_the_older_padding(only, place):
    """id-RSASSA-PSS, RFC 4055 section 1.2: cryptography drops this restriction."""
    pem = pss_pems(PSS[only])[place]

    assert Key.from_pem(pem).algorithm == (only or "PS256")
    for name in ("PS256", "PS384", "PS512"):
        assert Key.from_pem(pem, algorithm=name).algorithm == name
        assert Key.from_pem(base64.b64encode(pem), algorithm=name).kid == Key.from_pem(public_pem(rsa_private())).kid
    for name in ("RS256", "RS384", "RS512"):
        assert refusal(lambda name=name: Key.from_pem(pem, algorithm=name)) == (
            "this RSA key is for PSS only: use PS256, PS384 or PS512"
        )
    assert refusal(lambda: Key.from_pem(pem, algorithm="ES256")) == (
        "this key does not fit ES256, which takes P-256 keys"
    )


def test_a_certificate_signed_with_pss_does_not_restrict_its_own_key():
    name, day = x509.Name([]), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, rsa_private().public_key(), 7, day, day + timedelta(days=400))
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    pem = builder.sign(rsa_private(), hashes.SHA256(), rsa_padding=scheme).public_bytes(Encoding.PEM)

    assert Key.from_pem(pem).algorithm == "RS256"


@pytest.mark.parametrize("frame", ["PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY", "CERTIFICATE", "X"])
@pytest.mark.parametrize("body", ["", "AAAA", "!!!!", "MFkwEwYHKoZIzj0CAQ", "MAA="])
def test_a_damaged_block_is_refused(frame, body):
    pem = f"-----BEGIN {frame}-----\n{body}\n-----END {frame}-----\n"

    assert refusal(lambda: Key.from_pem(pem)) == UNREADABLE


def test_a_block_without_its_end_is_refused():
    pem = private_pem(ec_private())

    assert refusal(lambda: Key.from_pem(pem[: len(pem) // 2])) == UNREADABLE


@pytest.mark.parametrize("frame", ["PUBLIC KEY", "PRIVATE KEY", "CERTIFICATE"])
def test_a_body_with_another_label_is_refused(frame):
    pem = private_pem(ec_private()) if frame != "PRIVATE KEY" else public_pem(ec_private())
    body = pem.decode().splitlines()[1:-1]
    lines = [f"-----BEGIN {frame}-----", *body, f"-----END {frame}-----"]

    assert refusal(lambda: Key.from_pem("\n".join(lines))) == UNREADABLE


# --- encrypted private keys ---


@pytest.mark.parametrize("password", ["open sesame", b"open sesame"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_opens_with_its_password(password, form):
    pem = private_pem(ec_private(), password=b"open sesame", form=form)

    assert Key.from_pem(pem, password=password).kid == Key.from_pem(private_pem(ec_private())).kid


def test_a_password_beyond_ascii_is_its_utf8_bytes():
    pem = private_pem(ec_private(), password="öffne dich".encode())

    assert Key.from_pem(pem, password="öffne dich").can_sign


def test_an_encrypted_key_needs_its_password():
    assert refusal(lambda: Key.from_pem(private_pem(ec_private(), password=b"open sesame"))) == ENCRYPTED


def test_a_wrong_password_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        Key.from_pem(private_pem(ec_private(), password=b"open sesame"), password="sentinel")

    assert str(caught.value) == UNREADABLE
    assert "sentinel" not in repr(caught.value.__context__)


def test_a_password_for_a_key_that_is_not_encrypted_is_refused():
    """A user who gives one believes that the file is protected."""
    assert refusal(lambda: Key.from_pem(private_pem(ec_private()), password="open sesame")) == NOT_ENCRYPTED


@pytest.mark.parametrize("password", ["", b""])
def test_an_empty_password_is_refused(password):
    for pem in (private_pem(ec_private()), private_pem(ec_private(), password=b"x"), public_pem(ec_private())):
        assert refusal(lambda pem=pem: Key.from_pem(pem, password=password)) == EMPTY_PASSWORD


@pytest.mark.parametrize("password", [5, True, ["x"], object()])
def test_a_password_must_be_text_or_bytes(password):
    pem = private_pem(ec_private())

    assert refusal(lambda: Key.from_pem(pem, password=password)) == "password= must be str or bytes"
    assert refusal(lambda: Key.from_pem(pem, password="\ud800")) == "password= must be text that has a UTF-8 form"


# --- arbitrary input ---


frames = st.sampled_from(
    ["PUBLIC KEY", "PRIVATE KEY", "EC PRIVATE KEY", "CERTIFICATE", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=120)


@given(st.binary(max_size=200) | st.text(max_size=200))
@example(b"-----BEGIN ")
@example("-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAAAA\n-----END PRIVATE KEY-----")
def test_any_octets_raise_configuration_errors_only(pem):
    with suppress(ConfigurationError):
        assert Key.from_pem(pem)


@given(frames, printable, st.none() | st.binary(max_size=8))
def test_any_body_with_a_label_raises_configuration_errors_only(frame, body, password):
    with suppress(ConfigurationError):
        assert Key.from_pem(f"-----BEGIN {frame}-----\n{body}\n-----END {frame}-----\n", password=password)


PEMS = [private_pem(ec_private()), public_pem(rsa_private()), certificate(ec_private()), private_pem(ed25519_private())]


def test_a_certificate_of_a_version_that_does_not_exist_cannot_be_read():
    """Its parser raises an error that is not a ValueError."""
    der = x509.load_pem_x509_certificate(certificate(ec_private())).public_bytes(Encoding.DER)
    bent = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x3e", 1)
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bent) + b"-----END CERTIFICATE-----\n"

    assert bent != der
    assert refusal(lambda: Key.from_pem(pem)) == UNREADABLE
    assert "is itself a key" in refusal(lambda: Key.from_secret(bent))


@given(st.sampled_from(PEMS), st.integers(min_value=0), st.integers(0, 255))
def test_any_pem_with_one_changed_octet_raises_configuration_errors_only(pem, place, octet):
    place %= len(pem)
    with suppress(ConfigurationError):
        assert Key.from_pem(pem[:place] + bytes([octet]) + pem[place + 1 :])
