"""Parse the form of a token request (RFC 6749 appendix B), and reject repeated parameters.

Another media type or charset, a body that is too long or not UTF-8, and too many fields are `invalid_request`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final
from urllib.parse import parse_qsl

from gatepass.refresh.errors import InvalidMediaType, InvalidTokenRequest

__all__ = ["MAX_FORM_LENGTH", "Form"]

MAX_FORM_LENGTH: Final = 65_536
"""In octets. An adapter needs to read at most one octet more."""

_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 100
_PARAMETERS: Final = frozenset(("", "charset=utf-8", 'charset="utf-8"'))


@final
class Form:
    """The fields of a form by name. An empty value counts as omitted (RFC 6749 section 3.2)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    @classmethod
    def parse(cls, content_type: str, body: bytes) -> Form:
        """Return the form in *body*. Raises `InvalidTokenRequest`."""
        media_type, *parameters = (part.strip(" \t").lower() for part in content_type.split(";"))
        if media_type != _MEDIA_TYPE or not _PARAMETERS.issuperset(parameters):
            raise InvalidMediaType("content_type")
        if len(body) > MAX_FORM_LENGTH or not body.isascii():
            raise InvalidTokenRequest("body")
        fields: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:
            raise InvalidTokenRequest("body") from None
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        return cls(fields)

    def get(self, name: str) -> str | None:
        """Return the value of *name*, or None. Raises `InvalidTokenRequest` if it is repeated, even if empty."""
        values = self._fields.get(name, [])
        if len(values) > 1:
            raise InvalidTokenRequest("repeated_parameter")
        return values[0] or None if values else None

    def require(self, name: str) -> str:
        """Return the value of *name*. Raises `InvalidTokenRequest` if it is missing."""
        value = self.get(name)
        if value is None:
            raise InvalidTokenRequest("missing_parameter")
        return value

    def every(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter that may be repeated."""
        return tuple(value for value in self._fields.get(name, ()) if value)
