"""The verified token and its read-only claims.

`AccessToken()` raises: a verifier makes the token with `from_verified_claims`, after every check of its claims.
`freeze` and `thaw` convert claims to read-only dicts and tuples and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn, final

from gatepass.common.limits import moment_of
from gatepass.tokens.profile import RFC9068_NAMES, ClaimNames

__all__ = ["AccessToken", "freeze"]


@final
class AccessToken:
    """A verified access token, deeply immutable. `TokenVerifier.verify` returns it.

    The raw text is not stored, and the repr shows no claims.
    """

    __slots__ = ("_claims", "_frozen", "_names")

    _claims: dict[str, Any]
    _frozen: Mapping[str, Any]
    _names: ClaimNames

    def __init__(self) -> None:
        raise TypeError("an AccessToken is the result of TokenVerifier.verify")

    @property
    def subject(self) -> str:
        """`sub`, the user or client that the token was issued for.

        Raises `LookupError` for a token without `sub`, which only a lenient profile accepts, so that None is never
        taken for an identity. `token.claims.get("sub")` does not raise.
        """
        subject: str | None = self._claims.get("sub")
        if subject is None:
            raise LookupError("this token has no subject; only a lenient profile accepts such tokens")
        return subject

    @property
    def issuer(self) -> str | None:
        """`iss`; None only under `ANY_ISSUER`."""
        return self._claims.get("iss")

    @property
    def audience(self) -> tuple[str, ...]:
        """`aud`, or the profile's claim for it, as a tuple for both of its forms (RFC 7519 section 4.1.3)."""
        return self._names.audience_in(self._claims)

    @property
    def scopes(self) -> frozenset[str]:
        """The scope tokens of `scope` (RFC 8693 section 4.2), or of the profile's claim; empty without scopes."""
        return self._names.scopes_in(self._claims)

    @property
    def roles(self) -> frozenset[str]:
        """The strings in `roles` (RFC 9068 section 2.2.3.1), or in the claims that the profile names."""
        return self._names.strings_at(self._names.roles, self._claims)

    @property
    def groups(self) -> frozenset[str]:
        """The strings in `groups` (RFC 9068 section 2.2.3.1), or in the claims that the profile names."""
        return self._names.strings_at(self._names.groups, self._claims)

    @property
    def client_id(self) -> str | None:
        """`client_id`, or the profile's claim: the client that requested the token.

        None only if the profile does not require it.
        """
        return self._names.client_in(self._claims)

    @property
    def is_client(self) -> bool:
        """True if the client acts for itself and not for a user (RFC 9068 sections 2.2 and 5)."""
        return self._names.is_client_only(self._claims)

    @property
    def token_id(self) -> str | None:
        """`jti`; None only if the profile does not require it."""
        return self._claims.get("jti")

    @property
    def family_id(self) -> str | None:
        """`family_id`, the grant that a `TokenService` issued the token for; None for any other token."""
        found = self._claims.get("family_id")
        return found if isinstance(found, str) else None

    @property
    def expires_at(self) -> datetime:
        """`exp`, in UTC."""
        return moment_of(self._claims["exp"])

    @property
    def issued_at(self) -> datetime | None:
        """`iat`, in UTC; None only if the profile does not require it."""
        issued = self._claims.get("iat")
        return None if issued is None else moment_of(issued)

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims, deeply immutable: objects are read-only dicts, arrays are tuples.

        JSON encoders, `copy` and `pickle` accept them.
        """
        try:
            return self._frozen
        except AttributeError:  # frozen on first use: most requests never read them
            frozen: Mapping[str, Any] = freeze(self._claims)
            object.__setattr__(self, "_frozen", frozen)
            return frozen

    def to_dict(self) -> dict[str, Any]:
        """Return a deep copy of all claims, in mutable dicts and lists."""
        plain: dict[str, Any] = thaw(self._claims)
        return plain

    def strings(self, claim: str) -> frozenset[str]:
        """Return the strings in an array claim such as `roles`, `groups` or `entitlements` (RFC 9068 section 2.2.3.1).

        Empty if the claim is absent or not an array of strings. If the profile accepts a single role as a string, a
        string claim counts as one string here too.
        """
        return self._names.strings_in(self._claims.get(claim))

    def __repr__(self) -> str:
        return "<AccessToken, claims not shown>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("an AccessToken is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("an AccessToken is immutable")

    def __copy__(self) -> AccessToken:
        return self

    def __deepcopy__(self, memo: object) -> AccessToken:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an AccessToken is not pickled, because it would not be verified again: pass its claims or to_dict()"
        )


# The slots' setters bypass the __setattr__ that raises. With object.__setattr__, verifying HS256 takes 3 % longer.
_set_claims = vars(AccessToken)["_claims"].__set__
_set_names = vars(AccessToken)["_names"].__set__
_new = object.__new__


def from_verified_claims(claims: dict[str, Any], names: ClaimNames = RFC9068_NAMES) -> AccessToken:
    """Make the token for *claims* that passed every check, read with *names*. For the verifier and `explain` only."""
    token = _new(AccessToken)
    _set_claims(token, claims)
    _set_names(token, names)
    return token


def freeze(value: Any) -> Any:
    """Return a deeply immutable copy: dicts become read-only, lists become tuples."""
    if isinstance(value, dict):
        return _read_only({name: freeze(member) for name, member in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return tuple([freeze(member) for member in value])  # pyright: ignore[reportUnknownVariableType]
    return value


def thaw(value: Any) -> Any:
    """Return a deep copy of JSON with mutable dicts and lists."""
    if isinstance(value, dict):
        return {name: thaw(member) for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [thaw(member) for member in value]  # pyright: ignore[reportUnknownVariableType]
    return value


@final
class _ReadOnlyDict(dict[str, Any]):
    """A dict that its methods cannot change. `dict(claims)`, `{**claims}` and `claims | {...}` make a new dict.

    >>> claims = freeze({"tenant": {"id": 7}})
    >>> claims["tenant"]["id"] = 8
    Traceback (most recent call last):
    TypeError: claims are read-only: dict(claims) makes a copy, and AccessToken.to_dict() a deep one
    """

    __slots__ = ()

    def __init__(self, *_args: object, **_members: object) -> None:
        """Do nothing: a second call of `dict.__init__` would add members."""

    def __copy__(self) -> _ReadOnlyDict:
        return self

    def __deepcopy__(self, memo: object) -> _ReadOnlyDict:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return _read_only, (dict(self),)

    def _refuse(self, *_args: object, **_members: object) -> NoReturn:
        raise TypeError("claims are read-only: dict(claims) makes a copy, and AccessToken.to_dict() a deep one")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]


def _read_only(members: dict[str, Any]) -> _ReadOnlyDict:
    made = _ReadOnlyDict()
    super(_ReadOnlyDict, made).update(members)
    return made
