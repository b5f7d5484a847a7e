"""The application's own questions about a verified token: is it revoked, is its subject still welcome?

A hook may do I/O. It answers True or False; an exception or any other answer means that we cannot tell,
which is 503 and never "allowed".
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from gatepass.common.traces import traced
from gatepass.errors import (
    AuthUnavailable,
    ConfigurationError,
    InvalidSubject,
    InvalidToken,
    RevocationUnavailable,
    RevokedToken,
    SubjectUnavailable,
)
from gatepass.keys.source import RunBlocking
from gatepass.tokens.access_token import AccessToken

__all__ = ["Hook", "check_subject_hook", "is_coroutine_function", "is_revoked_hook"]

_logger = logging.getLogger("gatepass")

Question = Callable[[AccessToken], bool] | Callable[[AccessToken], Awaitable[bool]]


class Hook:
    """One question, the answer that lets a token pass, and the error for each other outcome."""

    __slots__ = ("_ask", "_passing", "_refusal", "_unavailable", "is_async", "name")

    def __init__(
        self,
        name: str,
        ask: Question,
        *,
        passing: bool,
        refusal: type[InvalidToken],
        unavailable: type[AuthUnavailable],
    ) -> None:
        if not callable(ask):
            raise ConfigurationError(f"{name}= must be a function that takes the token and answers True or False")
        self.name: str = name
        self.is_async: bool = is_coroutine_function(ask)
        self._ask: Callable[[AccessToken], Any] = ask
        self._passing = passing
        self._refusal = refusal
        self._unavailable = unavailable

    def check(self, token: AccessToken) -> None:
        """Ask here and now, and raise unless the token passes."""
        if self.is_async:
            raise ConfigurationError(f"{self.name}= is a coroutine function: only an async adapter can await it")
        try:
            answer = self._ask(token)
        except AuthUnavailable as error:
            self._log(error)
            raise
        except Exception as error:  # whatever it is, we cannot tell
            self._log(error)
            raise self._unavailable(f"{self.name} raised") from error
        self._judge(answer)

    async def check_async(self, token: AccessToken, run_blocking: RunBlocking) -> None:
        """Ask without blocking the event loop: a coroutine function is awaited, a plain one runs in a thread."""
        if not self.is_async:
            await run_blocking(lambda: self.check(token))
            return
        try:
            answer = await self._ask(token)
        except AuthUnavailable as error:
            self._log(error)
            raise
        except Exception as error:  # whatever it is, we cannot tell
            self._log(error)
            raise self._unavailable(f"{self.name} raised") from error
        self._judge(answer)

    def _judge(self, answer: object) -> None:
        if answer is self._passing:
            return
        if answer is not (not self._passing):
            if inspect.iscoroutine(answer):
                answer.close()
            _logger.error("%s answered neither True nor False", self.name)
            raise self._unavailable(f"{self.name} answered neither True nor False")
        raise self._refusal(self.name)

    def _log(self, error: Exception) -> None:
        _logger.error("%s raised %s", self.name, traced(error))  # its text may hold anything


def is_revoked_hook(ask: Question) -> Hook:
    """True means revoked."""
    return Hook("is_revoked", ask, passing=False, refusal=RevokedToken, unavailable=RevocationUnavailable)


def check_subject_hook(ask: Question) -> Hook:
    """True means welcome (RFC 8725 section 3.8)."""
    return Hook("check_subject", ask, passing=True, refusal=InvalidSubject, unavailable=SubjectUnavailable)


def is_coroutine_function(ask: object) -> bool:
    """Whether a call of *ask* must be awaited: a coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(getattr(ask, "__call__", None))  # noqa: B004
