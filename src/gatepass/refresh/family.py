"""A token family: the record that the store keeps of one grant, and the refresh token that the client holds.

The store keeps hashes only. A refresh token is 64 octets in base64url: the name of its family, a proof that its bearer
was given a token of that family, and the secret, which is valid for one use. The proof tells a spent token from an
invented one: guessing the name of a family is not enough to revoke it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Final, final

from gatepass.common.texts import plain
from gatepass.errors import MalformedToken
from gatepass.jose.compact import decode_base64url, encode_base64url

__all__ = ["FAMILY_ID", "SEED_OCTETS", "Family", "RefreshToken", "Rotation", "plain_text", "seed_of"]

SEED_OCTETS: Final = 32
"""The number of octets of a salt from which the successor is derived. The rest is a nonce, new whenever the same salt
is written again.
"""

FAMILY_ID: Final = re.compile("[A-Za-z0-9_-]{22}")
"""The name of a family as text: 16 octets in base64url. Other text names none, and need not be looked up."""

_NONCE_OCTETS: Final = 16
_NAME_OCTETS: Final = 16
_PROOF_OCTETS: Final = 16
_SECRET_OCTETS: Final = 32
_OCTETS: Final = _NAME_OCTETS + _PROOF_OCTETS + _SECRET_OCTETS
_TEXT_LENGTH: Final = (_OCTETS * 4 + 2) // 3


@final
@dataclass(frozen=True, slots=True, repr=False)
class RefreshToken:
    """A parsed refresh token: its three parts as octets. The repr shows none of them."""

    name: bytes
    proof: bytes
    secret: bytes

    @classmethod
    def fresh(cls) -> RefreshToken:
        """Return the first token of a new family: 256 random bits of secret (RFC 6749 section 10.10)."""
        return cls(
            secrets.token_bytes(_NAME_OCTETS), secrets.token_bytes(_PROOF_OCTETS), secrets.token_bytes(_SECRET_OCTETS)
        )

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """Return the token encoded in *text*, or None for text of another form."""
        text = plain(text)
        if type(text) is not str or len(text) != _TEXT_LENGTH or not text.isascii():
            return None
        try:
            octets = decode_base64url(text.encode())
        except MalformedToken:
            return None
        proof, secret = _NAME_OCTETS, _NAME_OCTETS + _PROOF_OCTETS
        return cls(octets[:proof], octets[proof:secret], octets[secret:])

    def successor(self, salt: bytes) -> RefreshToken:
        """Return the next token of the family. The same token and *salt* give the same successor again."""
        return RefreshToken(self.name, self.proof, hmac.digest(salt[:SEED_OCTETS], self.secret, "sha256"))

    @property
    def family_id(self) -> str:
        """The name of the family as text."""
        return encode_base64url(self.name).decode()

    @property
    def proof_hash(self) -> bytes:
        """The hash of the proof that the store keeps."""
        return hashlib.sha256(self.name + self.proof).digest()

    @property
    def secret_hash(self) -> bytes:
        """The hash of the secret that the store keeps."""
        return hashlib.sha256(self.name + self.proof + self.secret).digest()

    def text(self) -> str:
        """Return the token as the client receives it."""
        return encode_base64url(self.name + self.proof + self.secret).decode()

    def __repr__(self) -> str:
        return "<RefreshToken, not shown>"


def plain_text(value: object, name: str) -> str:
    """Return *value* if every store can keep it. Raises `ValueError`, whose text does not quote it."""
    text = plain(value)
    if type(text) is not str:
        raise ValueError(f"{name}= must be a string")
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError(f"{name}= contains NUL or half of a surrogate pair")
    return text


def seed_of(salt: bytes) -> bytes:
    """Return the octets of *salt* from which a successor is derived; none if there is no grace window."""
    return salt[:SEED_OCTETS] if len(salt) >= SEED_OCTETS else b""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The changes to a family when its token is rotated: the new hash, and until when the new token may be unused.

    Times are seconds since 1970. *salt* lets the bearer of the predecessor get the same successor during a grace
    window. Neither it nor the hashes show in the repr.
    """

    MAX_GRACE: ClassVar[int] = 60
    """Seconds after *rotated_at* for which *salt* may be needed. Afterwards it must be deleted."""

    current_hash: bytes = field(repr=False)
    previous_hash: bytes = field(repr=False)
    salt: bytes = field(repr=False)
    rotated_at: int
    idle_expires_at: int

    @property
    def purge_at(self) -> int:
        """When a purge must read the family: when it idles out, or when *salt* is no longer needed."""
        return _purge_at(self.idle_expires_at, self)

    @classmethod
    def deleting_salt(cls, last: Family) -> Rotation:
        """Return the rotation that deletes the salt of *last* while its token is current."""
        return replace(cls.rewriting(last), salt=b"")

    @classmethod
    def rewriting(cls, last: Rotation | Family) -> Rotation:
        """Return the rotation that writes *last* again while its token is current. The token is its own predecessor.

        The nonce in *salt* is new: a database that gets the same values writes no row and does not wait for the disk.
        """
        return cls(
            current_hash=last.current_hash,
            previous_hash=last.current_hash,
            salt=seed_of(last.salt) + secrets.token_bytes(_NONCE_OCTETS),
            rotated_at=last.rotated_at,
            idle_expires_at=last.idle_expires_at,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One grant and its current token, as a store keeps it. Times are seconds since 1970.

    It contains no usable token, and neither the hashes nor *salt* nor *claims* show in its repr. Every rotation keeps
    the facts of the login: *scope*, which is that of the original grant; *amr*, *acr* and *auth_time* (RFC 9068 section
    2.2.1); *claims*, as compact JSON, and *label*, each None if none was given; and *refresh_ttl*, for how many seconds
    a token of this login may be unused, within what the service allows: None, as in a family of schema version 1, for
    all of that.
    """

    family_id: str
    subject: str
    client_id: str
    scope: str
    audience: str
    auth_time: int | None
    acr: str | None
    amr: tuple[str, ...]
    created_at: int
    expires_at: int
    idle_expires_at: int
    proof_hash: bytes = field(repr=False)
    current_hash: bytes = field(repr=False)
    previous_hash: bytes = field(default=b"", repr=False)
    salt: bytes = field(default=b"", repr=False)
    rotated_at: int = 0
    revoked_at: int | None = None
    claims: str | None = field(default=None, repr=False)
    label: str | None = None
    refresh_ttl: int | None = None

    @property
    def position(self) -> tuple[int, str]:
        """The place among the logins of a subject: the time of the login, and the id for logins within one second."""
        return self.created_at, self.family_id

    def is_live(self, now: int) -> bool:
        """Return whether the family's current token works at *now*."""
        return self.revoked_at is None and now < min(self.expires_at, self.idle_expires_at)

    @property
    def ends_at(self) -> int:
        """When the family ends: the first of expiry, idle end and revocation."""
        ends = (self.expires_at, self.idle_expires_at, *(() if self.revoked_at is None else (self.revoked_at,)))
        first: int = min(ends)
        return first

    @property
    def purge_at(self) -> int:
        """When a purge must read the family: when it ends, or when *salt* is no longer needed."""
        return _purge_at(self.ends_at, self)

    def rotated(self, rotation: Rotation) -> Family:
        """Return this family after *rotation*."""
        after = object.__new__(Family)  # `dataclasses.replace` would take a tenth of the time of a refresh in memory
        for name in _MEMBERS:
            _set(after, name, getattr(self, name))
        for name in _ROTATED:
            _set(after, name, getattr(rotation, name))
        return after

    def has_expired_salt(self, moment: int) -> bool:
        """Return whether there is a salt that no window needs, in a purge of families that ended before *moment*."""
        return bool(self.salt) and self.rotated_at < moment - Rotation.MAX_GRACE

    def ended_before(self, moment: int) -> bool:
        """Return whether the family expired, idled out or was revoked before *moment*."""
        return self.ends_at < moment


_MEMBERS: Final = tuple(one.name for one in fields(Family))
_ROTATED: Final = tuple(one.name for one in fields(Rotation))
_set: Final = object.__setattr__


def _purge_at(end: int, last: Rotation | Family) -> int:
    return min(end, last.rotated_at + Rotation.MAX_GRACE) if last.salt else end
