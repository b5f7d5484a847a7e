"""The application's hooks, called with each verified token: `is_revoked` and `check_subject`.

A hook may do I/O. It returns True or False; an exception or another result means that the token cannot be judged,
which is 503 and never "allowed".
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from gatepass.errors import (
    AuthUnavailable,
    ConfigurationError,
    InvalidSubject,
    InvalidToken,
    RevocationUnavailable,
    RevokedToken,
    SubjectUnavailable,
    traced,
)
from gatepass.keys.source import RunBlocking
from gatepass.tokens.access_token import AccessToken

__all__ = ["Hook", "HookFunction", "check_subject_hook", "is_coroutine_function", "is_revoked_hook"]

_logger = logging.getLogger("gatepass")

HookFunction = Callable[[AccessToken], bool] | Callable[[AccessToken], Awaitable[bool]]


class Hook:
    """One function, the result that lets a token pass, and the error for each other outcome."""

    __slots__ = ("_function", "_passing", "_refusal", "_unavailable", "is_async", "name")

    def __init__(
        self,
        name: str,
        function: HookFunction,
        *,
        passing: bool,
        refusal: type[InvalidToken],
        unavailable: type[AuthUnavailable],
    ) -> None:
        if not callable(function):
            raise ConfigurationError(f"{name}= must be a function that takes the token and returns True or False")
        self.name: str = name
        self.is_async: bool = is_coroutine_function(function)
        self._function: Callable[[AccessToken], Any] = function
        self._passing = passing
        self._refusal = refusal
        self._unavailable = unavailable

    def check(self, token: AccessToken) -> None:
        """Call the function and raise unless the token passes."""
        if self.is_async:
            raise ConfigurationError(f"{self.name}= is a coroutine function: only an async adapter can await it")
        try:
            answer = self._function(token)
        except Exception as error:  # noqa: BLE001 - each kind means that the token cannot be judged
            self._fail(error)
        self._judge(answer)

    async def check_async(self, token: AccessToken, run_blocking: RunBlocking) -> None:
        """`check` without blocking the event loop: a coroutine function is awaited, a plain one runs in a thread."""
        if not self.is_async:
            await run_blocking(lambda: self.check(token))
            return
        try:
            answer = await self._function(token)
        except Exception as error:  # noqa: BLE001 - each kind means that the token cannot be judged
            self._fail(error)
        self._judge(answer)

    def _judge(self, answer: object) -> None:
        if answer is self._passing:
            return
        if answer is not (not self._passing):
            if inspect.iscoroutine(answer):
                answer.close()
            _logger.error("%s returned neither True nor False", self.name)
            raise self._unavailable(f"{self.name} returned neither True nor False")
        raise self._refusal(self.name)

    def _fail(self, error: Exception) -> NoReturn:
        _logger.error("%s raised %s", self.name, traced(error))  # never its text, which may hold a secret
        if isinstance(error, AuthUnavailable):
            raise error
        raise self._unavailable(f"{self.name} raised") from error


def is_revoked_hook(function: HookFunction) -> Hook:
    """True means revoked."""
    return Hook("is_revoked", function, passing=False, refusal=RevokedToken, unavailable=RevocationUnavailable)


def check_subject_hook(function: HookFunction) -> Hook:
    """True means accepted (RFC 8725 section 3.8)."""
    return Hook("check_subject", function, passing=True, refusal=InvalidSubject, unavailable=SubjectUnavailable)


def is_coroutine_function(function: object) -> bool:
    """Whether *function* must be awaited: it is a coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
