"""Guessable and well-known secrets are refused, random ones are accepted (threat A7, K-02)."""

import base64
import hashlib
import secrets
from importlib.resources import files
from uuid import UUID

import pytest
from tests.support.keys import SECRET, base64url, refusal
from tests.support.known_secrets import SAMPLES, known_secrets, readings

from gatepass import Key
from gatepass.keys.weak_secrets import is_guessable, is_known

GUESSABLE = (
    "this secret is guessable: repeated, sequential or a well-known example; make one with: gatepass keygen HS256"
)


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
def test_a_well_known_secret_is_refused_in_every_spelling(known):
    """A7, K-02: tutorials, placeholders, keyboards."""
    assert refusal(lambda: Key.from_secret(known)) == GUESSABLE


def test_eight_different_octets_are_not_yet_guessable():
    assert Key.from_secret("abcdefgh" + "hgfedcba" + "aceghfdb" + "hfdbaceg").can_sign


def test_a_text_repeated_twice_is_refused_and_one_repeated_less_is_not():
    assert refusal(lambda: Key.from_secret(SECRET[:16] * 2)) == GUESSABLE
    assert refusal(lambda: Key.from_secret(SECRET[:17] * 2)) == GUESSABLE
    assert refusal(lambda: Key.from_secret(SECRET[:8] * 4)) == GUESSABLE
    assert Key.from_secret(SECRET[:17] + SECRET[:15]).can_sign
    assert Key.from_secret(SECRET[:17] + SECRET[:16]).can_sign


def test_a_secret_that_repeats_in_its_first_part_only_is_accepted():
    assert Key.from_secret("3Nd9-xQw7zKp" * 2 + "uE_iOtKqWzYx").can_sign


@pytest.mark.parametrize("length", [32, 33, 43, 48, 64, 65, 86, 97, 128, 133])
def test_a_random_secret_is_accepted_in_every_usual_form(length):
    """The refusals must not affect secure secrets."""
    for _ in range(60):
        fresh = secrets.token_bytes(length)
        for secret in (fresh, fresh.hex(), base64.b64encode(fresh), secrets.token_urlsafe(length)):
            assert Key.from_secret(secret).can_sign


# --- published secrets ---

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


def test_the_file_of_known_secrets_contains_the_digests_of_the_samples():
    assert (files("gatepass.keys") / "known_secrets.txt").read_text() == known_secrets()


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize(("place", "text"), PRINTED, ids=[f"{place} {text[:12]}" for place, text in PRINTED])
def test_a_published_secret_is_refused_in_every_encoding_and_by_every_constructor(place, text, writing, monkeypatch):
    """K-02: the text, and the octets that it encodes in hex or base64."""
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
def test_the_digest_of_a_common_word_is_refused_in_every_encoding(word, digest, writing):
    """Including the form of `echo secret | sha256sum`."""
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
def test_a_sentence_of_common_words_is_refused(sentence):
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


# Secrets that allkeysgenerator.com generates: with a different start each time, in characters or in hex.
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
def test_a_slice_of_the_sequence_that_a_website_generates_is_refused(generated, writing):
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
def test_a_guessable_secret_is_refused_in_every_encoding(guessable, writing):
    assert refusal(lambda: Key.from_secret(WRITINGS[writing](guessable.encode()))) == GUESSABLE


def test_a_passphrase_of_uncommon_words_is_accepted():
    """Half of a text must be common words. `okapi` ends with one, and counts as no more than that."""
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
def test_random_secrets_are_never_refused_as_guessable(writing):
    secrets_alike = (writing(hashlib.sha256(b"%d" % number).digest()) for number in range(1_500))

    assert not list(filter(is_guessable, secrets_alike))


def test_random_secrets_are_never_refused_as_known():
    digests = (hashlib.sha512(b"number %d" % number).digest() for number in range(60))

    assert not [digest for digest in digests for size in (32, 48, 64) if is_known(digest[:size])]
