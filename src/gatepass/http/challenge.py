"""Challenges (RFC 9110 section 11.6.1, RFC 6750 section 3): the only module that writes `WWW-Authenticate`.

The constructor rejects a challenge without parameters, a repeated parameter, and characters that the grammars forbid.
Frameworks differ in the header text that they accept, so the check is made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import final

from gatepass.common.allow import Allow, allowed
from gatepass.common.scope import scope_tokens
from gatepass.common.settings import https_url
from gatepass.common.texts import plain
from gatepass.errors import ConfigurationError

__all__ = ["Challenge"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[\x20-\x7E]*")
_ERROR_TEXT = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]+")


@final
class Challenge:
    """One immutable challenge; `str(challenge)` is its header text. Parameters have a fixed order.

    *parameters* are further ones, for other schemes. *allow*: `HTTP_ON_LOOPBACK` accepts a *resource_metadata* URL on
    this machine, for development.

    >>> str(Challenge(realm="api", error="invalid_token"))
    'Bearer realm="api", error="invalid_token"'
    """

    __slots__ = ("_text",)

    _text: str

    def __init__(
        self,
        scheme: str = "Bearer",
        *,
        realm: str | None = None,
        error: str | None = None,
        error_description: str | None = None,
        scope: Iterable[str] = (),
        resource_metadata: str | None = None,
        parameters: Mapping[str, str] | None = None,
        allow: Allow = (),
    ) -> None:
        if not _matches(_TOKEN, scheme):
            raise ConfigurationError("the scheme of a challenge must be an HTTP token such as Bearer")
        permitted = allowed(allow)
        given: list[tuple[str, str | None]] = [
            ("realm", realm),
            ("error", _error_text(error, "error")),
            ("error_description", _error_text(error_description, "error_description")),
            ("scope", _scope_text(scope)),
            (
                "resource_metadata",
                None if resource_metadata is None else https_url(resource_metadata, "resource_metadata", permitted),
            ),
            *_further(parameters),
        ]
        present = [(name, value) for name, value in given if value is not None]
        if not present:
            raise ConfigurationError("a challenge needs at least one parameter, such as realm (RFC 6750 section 3)")
        _check_names([name for name, _ in present])
        text = f"{plain(scheme)} " + ", ".join(f"{plain(name)}={_quoted(name, value)}" for name, value in present)
        object.__setattr__(self, "_text", text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Challenge {self}>"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Challenge is immutable")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _further(parameters: Mapping[str, str] | None) -> Iterable[tuple[str, str]]:
    if parameters is not None and not isinstance(parameters, Mapping):
        raise ConfigurationError("parameters= takes a dict of strings")
    return () if parameters is None else parameters.items()


def _quoted(name: str, value: str) -> str:
    """Return *value* as a quoted-string (RFC 9110 section 5.6.4), escaping only what must be escaped."""
    if not _matches(_PRINTABLE, value):
        raise ConfigurationError(f"{name}= of a challenge must be printable ASCII")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _check_names(names: list[str]) -> None:
    if not all(_matches(_TOKEN, name) for name in names):
        raise ConfigurationError("the name of a challenge parameter must be an HTTP token")
    if len({name.lower() for name in names}) != len(names):
        raise ConfigurationError("a challenge names a parameter twice (RFC 9110 section 11.2)")


def _error_text(value: str | None, name: str) -> str | None:
    if value is not None and not _matches(_ERROR_TEXT, value):
        raise ConfigurationError(f"{name}= must be printable ASCII without quotes and backslashes (RFC 6750 section 3)")
    return value


def _scope_text(value: Iterable[str]) -> str | None:
    try:
        return " ".join(scope_tokens(value)) or None
    except ValueError:
        pass
    raise ConfigurationError("scope= takes strings of printable ASCII without spaces, quotes or backslashes")
