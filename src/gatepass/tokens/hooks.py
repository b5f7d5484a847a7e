"""The application's hooks, called with each verified token: `is_revoked` and `check_subject`.

A hook may do I/O. It returns True or False. An exception or another result means that the token cannot be verified:
the response is 503, and the token is never accepted.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from gatepass.common.event_loop import RunBlocking
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
from gatepass.tokens.access_token import AccessToken

__all__ = ["Hook", "HookFunction", "check_subject_hook", "is_coroutine_function", "is_revoked_hook"]

_logger = logging.getLogger("gatepass")

HookFunction = Callable[[AccessToken], bool] | Callable[[AccessToken], Awaitable[bool]]


class Hook:
    """A function, the result with which a token passes, and the errors for other outcomes."""

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
        """Call the function. Raises an `AuthError` unless the token passes.

        Raises `ConfigurationError` if the function is a coroutine function.
        """
        if self.is_async:
            raise ConfigurationError(f"{self.name}= is a coroutine function: only an async adapter can await it")
        try:
            result = self._function(token)
        except Exception as error:  # noqa: BLE001 - any error means that the token cannot be verified
            self._fail(error)
        self._evaluate(result)

    async def check_async(self, token: AccessToken, run_blocking: RunBlocking) -> None:
        """Check without blocking the event loop: a coroutine function is awaited, a plain one runs in a thread."""
        if not self.is_async:
            await run_blocking(lambda: self.check(token))
            return
        try:
            result = await self._function(token)
        except Exception as error:  # noqa: BLE001 - any error means that the token cannot be verified
            self._fail(error)
        self._evaluate(result)

    def _evaluate(self, result: object) -> None:
        if result is self._passing:
            return
        if result is not (not self._passing):
            if inspect.iscoroutine(result):
                result.close()
            _logger.error("%s returned neither True nor False", self.name)
            raise self._unavailable(f"{self.name} returned neither True nor False")
        raise self._refusal(self.name)

    def _fail(self, error: Exception) -> NoReturn:
        _logger.error("%s raised %s", self.name, traced(error))  # without its message, which may contain a secret
        if isinstance(error, AuthUnavailable):
            raise error
        raise self._unavailable(f"{self.name} raised") from error


def is_revoked_hook(function: HookFunction) -> Hook:
    """Make the hook of `is_revoked`, where True means revoked."""
    return Hook("is_revoked", function, passing=False, refusal=RevokedToken, unavailable=RevocationUnavailable)


def check_subject_hook(function: HookFunction) -> Hook:
    """Make the hook of `check_subject`, where True means accepted (RFC 8725 section 3.8)."""
    return Hook("check_subject", function, passing=True, refusal=InvalidSubject, unavailable=SubjectUnavailable)


def is_coroutine_function(function: object) -> bool:
    """Return whether *function* must be awaited: it is a coroutine function, or its `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
