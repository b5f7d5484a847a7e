"""One key, bound to exactly one algorithm when it is made: from a secret, a PEM, a JWK or an environment variable.

Every constructor calls `_bind`, which checks the material. A key does not show its material in its repr and cannot be
pickled. An error repeats the argument of `Key.from_env` only if it clearly is the name of a variable, because callers
have passed the secret itself: `Key.from_env(os.environ["JWT_SECRET_KEY"])`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Final, NoReturn, final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gatepass.common.limits import MAX_KID_LENGTH
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.compact import encode_base64url
from gatepass.jose.strict_json import parse_object
from gatepass.keys.algorithms import Algorithm, Sign, Verify, algorithm_named, bind_sign, bind_verify
from gatepass.keys.encodings import decodings
from gatepass.keys.jwk import load_jwk, present_members, private_members, public_members
from gatepass.keys.material import (
    PRIVATE_KEYS,
    Material,
    check_material,
    generate_material,
    load_pem,
    material_thumbprint,
    plain_pem,
    public_half,
    public_material,
    usual_algorithm,
)

__all__ = ["Key"]

Check = Callable[[Algorithm, Material], None]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_MAX_NAME_LENGTH: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Short words in capitals, as in JWT_SECRET_KEY: no secret of sufficient length has this form.
_CONVENTIONAL: Final = re.compile(r"(?=.{1,40}\Z)[A-Z_][A-Z0-9]{0,19}(?:_[A-Z0-9]{0,19})*", re.ASCII)


@final
class Key:
    """A key and the one algorithm it may be used with. Make it with one of the `from_` methods.

    *algorithm* is a name of RFC 7518, 8037 or 9864, *kid* the key id or None. *is_named* is True if the caller or the
    JWK gave the key id, and False if it was computed.
    `verifies(signing_input, signature)` returns whether the signature was made with this key.

    >>> key = Key.generate("ES256")
    >>> key.verifies(b"text", key.sign(b"text"))
    True
    """

    __slots__ = ("_material", "_sign", "algorithm", "is_named", "kid", "verifies")

    algorithm: str
    is_named: bool
    kid: str | None
    verifies: Verify
    _material: Material
    _sign: Sign | None

    def __init__(self, material: Material, *, algorithm: str, kid: str | None = None) -> None:
        self._bind(material, algorithm, kid, check_material)

    def _bind(self, material: Material, algorithm: str, kid: str | None, check: Check) -> None:
        row = algorithm_named(algorithm)
        check(row, material)
        kid = plain(kid)
        _check_kid(kid)
        fill = object.__setattr__
        fill(self, "algorithm", row.name)
        fill(self, "is_named", kid is not None)
        fill(self, "kid", kid)
        fill(self, "_material", material)
        fill(self, "_sign", bind_sign(row, material) if isinstance(material, (bytes, *PRIVATE_KEYS)) else None)
        fill(self, "verifies", bind_verify(row, public_material(material)))

    @classmethod
    def from_secret(cls, secret: str | bytes, *, algorithm: str = "HS256", kid: str | None = None) -> Key:
        """Make an HMAC key; a *secret* of type str is encoded as UTF-8.

        Raises `ConfigurationError` for fewer bytes than the hash has (RFC 7518 section 3.2), for a value that is itself
        a key, a certificate or a JWK, for guessable secrets, and for text with a blank or line break at an end or a
        byte order mark, which other readers of the same secret strip.

        >>> Key.from_secret("too short")
        Traceback (most recent call last):
        ...
        gatepass.errors.ConfigurationError: an HS256 secret needs at least 32 bytes, this one has 9; \
make one with: gatepass keygen HS256
        """
        octets = _utf8(secret, "a secret")
        key = cls(octets, algorithm=algorithm, kid=kid)
        if _has_blank_ends(octets):
            raise ConfigurationError(
                "this secret begins or ends with a line break, a blank or a byte order mark, which would be part of "
                'it: remove it, as Path(...).read_text("utf-8-sig").strip() does'
            )
        return key

    @classmethod
    def from_pem(
        cls,
        pem: str | bytes,
        *,
        algorithm: str | None = None,
        kid: str | None = None,
        password: str | bytes | None = None,
    ) -> Key:
        """Load a private key, public key or certificate from PEM; *password* decrypts an encrypted private key.

        Without *algorithm*, RSA keys are bound to RS256, keys restricted to PSS to PS256 or the algorithm with their
        hash, and EC keys to the algorithm of their curve. Keys on the Edwards curves need *algorithm*, because tokens
        use either `Ed25519` or the older name `EdDSA` (RFC 9864). Without *kid*, the key id is the RFC 7638 thumbprint.
        The first certificate of a chain is used.
        """
        material, pss = load_pem(_utf8(pem, "a PEM"), None if password is None else _utf8(password, "password="))
        bound = (pss or usual_algorithm(material)) if algorithm is None else algorithm
        if pss is not None and algorithm_named(bound).pyjwt_class == "RSAAlgorithm":
            raise ConfigurationError("this RSA key is for PSS only: use PS256, PS384 or PS512")
        return cls._named(material, algorithm=bound, kid=kid)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], *, algorithm: str | None = None) -> Key:
        """Load the key in *jwk* (RFC 7517). Its `alg` binds it; *algorithm* must equal that, or replaces an absent one.

        A member that is null counts as absent.
        """
        return cls._from_jwk(jwk, algorithm, check_material)

    @classmethod
    def _from_jwk(cls, jwk: Mapping[str, Any], algorithm: str | None, check: Check) -> Key:
        if not isinstance(jwk, Mapping):
            is_text = isinstance(jwk, str) and jwk.lstrip().startswith("{")
            parsed = ": parse the text with json.loads(text)" if is_text else ""
            raise ConfigurationError(f"a JWK must be a JSON object{parsed}")
        jwk = present_members(jwk)
        if "keys" in jwk and "kty" not in jwk:
            raise ConfigurationError(
                'this is a JWK Set: KeySet.from_jwks takes one of public keys, Key.from_jwk one entry of its "keys"'
            )
        declared = "alg" in jwk
        if declared and algorithm is not None and jwk["alg"] != algorithm:
            raise ConfigurationError('algorithm= contradicts the "alg" of this JWK')
        material = load_jwk(jwk)
        bound = jwk["alg"] if declared else usual_algorithm(material) if algorithm is None else algorithm
        return cls._named(material, algorithm=bound, kid=jwk.get("kid"), check=check)

    @classmethod
    def from_env(
        cls, name: str, *, algorithm: str | None = None, kid: str | None = None, password: str | bytes | None = None
    ) -> Key:
        r"""Load the secret, PEM or JWK in the environment variable *name*.

        The line breaks of a PEM may be written as `\n`, and a PEM or JWK may be in base64, as many deployment tools
        write them; *password* decrypts an encrypted PEM. A secret is bound to HS256 without *algorithm*. The value
        never appears in an error.
        """
        value = _read_env(name)
        jwk = _jwk_text(value)
        if jwk is None and plain_pem(_utf8(value, "a secret")) is not None:
            return cls.from_pem(value, algorithm=algorithm, kid=kid, password=password)
        if password is not None:
            raise ConfigurationError("password= decrypts an encrypted PEM, and the environment variable has none")
        if jwk is None:
            return cls.from_secret(value, algorithm="HS256" if algorithm is None else algorithm, kid=kid)
        members = _parse_env_jwk(jwk, name)
        return cls.from_jwk(members if kid is None else {**members, "kid": kid}, algorithm=algorithm)

    @classmethod
    def generate(cls, algorithm: str = "ES256") -> Key:
        """Generate a key for *algorithm*: RSA of 3072 bits, a secret as long as the hash, or a key on the curve."""
        row = algorithm_named(algorithm)
        material = generate_material(row)
        key = cls._named(material, algorithm=row.name, kid=None)
        if key.kid is None:  # a thumbprint lets attackers test guesses of a secret (RFC 7638 section 7)
            object.__setattr__(key, "kid", secrets.token_urlsafe(12))
        return key

    @classmethod
    def _named(cls, material: Material, *, algorithm: str, kid: str | None, check: Check = check_material) -> Key:
        """Make a key with this *kid*. Without one, the key id is the thumbprint, except for a secret."""
        key = cls.__new__(cls)
        key._bind(material, algorithm, kid, check)  # noqa: SLF001 - a new object of this class
        if kid is None and not isinstance(material, bytes):
            object.__setattr__(key, "kid", material_thumbprint(material))
        return key

    @property
    def can_sign(self) -> bool:
        """True for a secret or a private key."""
        return self._sign is not None

    @property
    def is_secret(self) -> bool:
        """True for an HMAC secret, with which a service that verifies could also sign."""
        return isinstance(self._material, bytes)

    def sign(self, signing_input: bytes) -> bytes:
        """Sign *signing_input* (RFC 7515 section 5.1). A public key raises `ConfigurationError`."""
        if self._sign is None:
            raise ConfigurationError("a public key cannot sign; load the private key")
        return self._sign(signing_input)

    def public(self) -> Key:
        """Return the public key, with the same key id. A secret has none and raises `ConfigurationError`."""
        half = Key(public_half(self._material), algorithm=self.algorithm, kid=self.kid)
        object.__setattr__(half, "is_named", self.is_named)
        return half

    def to_jwk(self) -> dict[str, str]:
        """Return the public JWK, with `kid`, `use` and `alg` (RFC 7517). A secret raises `ConfigurationError`."""
        return {**public_members(public_half(self._material)), **self._labels()}

    def to_private_jwk(self) -> dict[str, str]:
        """Return the JWK with its secret members, for a vault or an environment variable, never for the network."""
        if isinstance(self._material, bytes):
            return {"kty": "oct", "k": encode_base64url(self._material).decode(), **self._labels()}
        if not isinstance(self._material, PRIVATE_KEYS):
            raise ConfigurationError("a public key has no private members")
        return {**public_members(self._material.public_key()), **private_members(self._material), **self._labels()}

    def to_pem(self) -> str:
        """Return the public key as PEM (SubjectPublicKeyInfo)."""
        half = public_half(self._material)
        return half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def to_private_pem(self) -> str:
        """Return the private key as unencrypted PEM (PKCS #8)."""
        if not isinstance(self._material, PRIVATE_KEYS):
            raise ConfigurationError("only a private key has a private PEM")
        return self._material.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def thumbprint(self) -> str:
        """Return the SHA-256 thumbprint (RFC 7638), of the public key for a private one. Never publish a secret's."""
        return material_thumbprint(self._material)

    def _labels(self) -> dict[str, str]:
        named = {} if self.kid is None else {"kid": self.kid}
        return {**named, "use": "sig", "alg": self.algorithm}

    def __repr__(self) -> str:
        return f"<Key {self.algorithm} kid={self.kid!r} {'can sign' if self.can_sign else 'public'}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Key is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Key is immutable")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Key is not pickled; use to_private_jwk and keep it secret")


def _has_blank_ends(secret: bytes) -> bool:
    """Return whether *secret* is text with blanks around it or a byte order mark. Binary secrets may have any ends."""
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return False
    return text != text.strip().removeprefix("\ufeff")


def _check_kid(kid: object) -> None:
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_LENGTH and not _SURROGATE.search(kid)):
        raise ConfigurationError(f"a kid must be a string of 1 to {MAX_KID_LENGTH} characters that has a UTF-8 form")


def _utf8(value: str | bytes, what: str) -> bytes:
    if not isinstance(value, (str, bytes)):
        content = ": give the content of a file, Path(...).read_bytes()" if isinstance(value, PathLike) else ""
        raise ConfigurationError(f"{what} must be str or bytes{content}")
    try:
        return value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        pass
    raise ConfigurationError(f"{what} must be text that has a UTF-8 form")


def _read_env(name: str) -> str:
    """Return the value of the variable *name*, stripped. Raises `ConfigurationError` if it is not set or empty."""
    value = _stripped_value(name)
    if value:
        return value
    if len(name) > _MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise ConfigurationError(
            'from_env takes the name of an environment variable, such as "JWT_SECRET_KEY", not its value'
        )
    if not _CONVENTIONAL.fullmatch(name):
        raise ConfigurationError(
            "the environment variable that from_env names is not set; give the name of a variable, such as "
            '"JWT_SECRET_KEY", not its value'
        )
    raise ConfigurationError(
        f"the environment variable {name} is not set; put a secret into it, made with: gatepass keygen HS256"
    )


def _jwk_text(value: str) -> str | None:
    """Return the JSON object in *value*, also for a JWK in quotes or under a layer of base64; else None."""
    if value.startswith("{"):
        return value
    layers = [value[1:-1].encode(), *decodings(value.encode())] if value.isascii() else []
    found = (layer.strip() for layer in layers if b'"kty"' in layer)
    return next((layer.decode() for layer in found if layer.startswith(b"{") and layer.isascii()), None)


def _parse_env_jwk(value: str, name: str) -> dict[str, Any]:
    """Parse the JWK in *value*, the value of the variable *name*. Raises `ConfigurationError`."""
    try:
        return parse_object(value.encode())
    except UnicodeEncodeError:
        error = "a JWK must be text that has a UTF-8 form"
    except MalformedToken:
        error = f"the environment variable {_name_for_error(name)} looks like a JWK but is not strict JSON"
    raise ConfigurationError(error)


def _stripped_value(name: str) -> str:
    try:
        return os.environ.get(name, "").strip().removeprefix("\ufeff").lstrip()
    except (TypeError, UnicodeEncodeError):
        pass
    raise ConfigurationError("Key.from_env takes the name of an environment variable")


def _name_for_error(name: str) -> str:
    return name if _CONVENTIONAL.fullmatch(name) else "that from_env names"
