"""Where a request may bring its access token: the header always; a form and a cookie if the service asks for them.

A token by two of them is refused even if it is the same (RFC 6750 section 2). What is there and bad fails; nothing is
passed over for the next source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, final

from gatepass.bearer import FORM_MEDIA_TYPE, bearer_token, form_token
from gatepass.cookies import BrowserRequest, CookieTransport
from gatepass.errors import ConfigurationError, MissingCredentials, MultipleTokens
from gatepass.texts import listed

__all__ = ["LARGEST_FORM", "Source", "Sources"]

Source = Literal["header", "body"]

LARGEST_FORM: Final = 65_536
"""Octets. A larger form is no place for a token, and is not looked at."""

_LENGTH: Final = re.compile(r"[0-9]{1,5}")


@final
class Sources:
    """The enabled sources. Raises `ConfigurationError` for others, and for cookies that hold no access token."""

    __slots__ = ("_cookies", "names")

    def __init__(self, sources: Iterable[Source], cookies: CookieTransport | None) -> None:
        given = listed(sources) or ()
        names = frozenset(source for source in ("header", "body") if source in given)
        if "header" not in names or not all(source in names for source in given):
            raise ConfigurationError('sources= must be ["header"] or ["header", "body"]')
        if cookies is not None and CookieTransport.expect(cookies).access_cookie is None:
            raise ConfigurationError("cookies= has access_cookie=None: there is no cookie for a ResourceServer to read")
        self._cookies = cookies
        self.names: frozenset[str] = names if cookies is None else names | {"cookie"}

    def token(self, authorization: Sequence[str], form: bytes, browser: BrowserRequest | None) -> str:
        """The one token of a request. Raises an `AuthError`."""
        if browser is None and not form:
            return bearer_token(authorization)
        stored = None if browser is None or self._cookies is None else self._cookies.access_token(browser)
        posted = form_token(form) if form and "body" in self.names else None
        beside = [token for token in (stored, posted) if token is not None]
        if not beside:
            return bearer_token(authorization)
        try:
            bearer_token(authorization)
        except MissingCredentials:
            if len(beside) == 1:
                return beside[0]
        raise MultipleTokens("by more than one of the header, the form and the cookie")

    def form_length(self, method: str, content_type: str, content_length: str, transfer_encoding: str) -> int:
        """How many octets of body are wanted: those of a form whose length is known and small; otherwise none."""
        if "body" not in self.names or method.upper() in ("GET", "HEAD"):
            return 0
        if content_type.partition(";")[0].strip().lower() != FORM_MEDIA_TYPE:
            return 0
        if transfer_encoding or not _LENGTH.fullmatch(content_length):  # with chunks a length is a lie
            return 0
        length = int(content_length)
        return length if length <= LARGEST_FORM else 0
