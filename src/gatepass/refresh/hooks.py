"""Call the store and the application's functions, and turn what they raise into 503 errors; errors of `on_reuse` are
only logged.

The log gets the class of the exception and never its text, which may quote a token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, final

from gatepass.errors import ConfigurationError, traced
from gatepass.refresh.errors import HookUnavailable, StoreUnavailable
from gatepass.refresh.family import Family
from gatepass.tokens.hooks import is_coroutine_function

__all__ = ["ServiceHooks", "call_store", "require_sync_function"]

_logger = logging.getLogger("gatepass.refresh")
_P = ParamSpec("_P")
_T = TypeVar("_T")


def call_store(operation: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call *operation* of the store. Raises `StoreUnavailable`; a `ConfigurationError` passes through."""
    try:
        return operation(*args, **kwargs)
    except ConfigurationError:
        raise
    except Exception as error:
        _logger.error("the store raised %s", traced(error))  # noqa: TRY400 - a traceback quotes
        raise StoreUnavailable("store_unavailable") from error


def require_sync_function(value: object, name: str, takes: str) -> None:
    """Raise `ConfigurationError` unless *value* is callable and not a coroutine function."""
    if not callable(value):
        raise ConfigurationError(f"{name}= must be a function that takes {takes}")
    if is_coroutine_function(value):
        raise ConfigurationError(f"{name}= must be a plain function: the service has no event loop")


@final
class ServiceHooks:
    """The application's functions `check_subject`, `claims_for` and `on_reuse`."""

    __slots__ = ("_check_subject", "_claims_for", "_on_reuse")

    def __init__(
        self,
        *,
        check_subject: Callable[[str], bool],
        claims_for: Callable[[str], Mapping[str, Any]] | None,
        on_reuse: Callable[[Family], object] | None,
    ) -> None:
        require_sync_function(check_subject, "check_subject", "a subject and returns True or False")
        if claims_for is not None:
            require_sync_function(claims_for, "claims_for", "a subject and returns a mapping")
        if on_reuse is not None:
            require_sync_function(on_reuse, "on_reuse", "a Family")
        self._check_subject = check_subject
        self._claims_for = claims_for
        self._on_reuse = on_reuse

    def is_allowed(self, subject: str) -> bool:
        """Return whether *subject* may still sign in. Raises `HookUnavailable` if the hook returns no bool."""
        allowed = _call_hook("check_subject", self._check_subject, subject)
        if allowed is not True and allowed is not False:
            _logger.error("check_subject returned neither True nor False")
            raise HookUnavailable("check_subject_unavailable")
        return allowed

    def claims(self, subject: str) -> dict[str, Any]:
        """Return further claims for an access token of *subject*. Raises `HookUnavailable`."""
        if self._claims_for is None:
            return {}
        claims_for = self._claims_for
        return _call_hook("claims_for", lambda: dict(claims_for(subject)))

    def notify_reuse(self, family: Family) -> None:
        """Log that a spent token of *family* was used again, and call `on_reuse`, whose errors are only logged."""
        _logger.warning("refresh_reused: a spent refresh token was used again; its family is revoked")
        if self._on_reuse is None:
            return
        try:
            self._on_reuse(family)
        except Exception as error:  # noqa: BLE001 - the family is revoked regardless
            _logger.error("on_reuse raised %s", traced(error))  # noqa: TRY400 - the same


def _call_hook(name: str, hook: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return hook(*args, **kwargs)
    except Exception as error:
        _logger.error("%s raised %s", name, traced(error))  # noqa: TRY400 - the same
        raise HookUnavailable(f"{name}_unavailable") from error
