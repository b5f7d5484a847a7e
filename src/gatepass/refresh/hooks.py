"""Call the store and the application's functions, and turn what they raise into 503 errors; errors of `on_reuse` are
only logged.

The log gets the class of the exception and never its text, which may quote a token. The functions may be coroutine
functions: then only the `_async` methods call them, and plain functions run in a worker thread.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, final

from gatepass.common.event_loop import RunBlocking, is_stray_cancellation
from gatepass.common.scope import scope_tokens, split_scope
from gatepass.errors import ConfigurationError, traced
from gatepass.refresh.errors import HookUnavailable, StoreUnavailable
from gatepass.refresh.family import Family
from gatepass.refresh.session import Session
from gatepass.tokens.hooks import is_coroutine_function

__all__ = [
    "CheckSubject", "ClaimsFor", "Decision", "Hook", "OnReuse", "ScopesFor", "ServiceHooks", "boolean_hook",
    "call_store",
]  # fmt: skip

CheckSubject = Callable[[str], bool] | Callable[[str], Awaitable[bool]]
ClaimsFor = Callable[[Session], Mapping[str, Any]] | Callable[[Session], Awaitable[Mapping[str, Any]]]
ScopesFor = Callable[[Session], str | Iterable[str]] | Callable[[Session], Awaitable[str | Iterable[str]]]
OnReuse = Callable[[Family], object] | Callable[[Family], Awaitable[object]]

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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the application's functions say now about a login: whether it may go on, its claims, and its scopes."""

    is_allowed: bool
    claims: Mapping[str, Any] = field(repr=False)
    scopes: frozenset[str] | None
    """The scopes that `scopes_for` returned, or None without that function."""

    def narrow(self, scope: str) -> str:
        """Return those of *scope* that `scopes_for` returned too, in the order of *scope*."""
        return scope if self.scopes is None else " ".join(one for one in split_scope(scope) if one in self.scopes)


_ALLOWED: Final = Decision(is_allowed=True, claims={}, scopes=None)
_REFUSED: Final = Decision(is_allowed=False, claims={}, scopes=frozenset())


@final
class ServiceHooks:
    """The application's functions `check_subject`, `claims_for`, `scopes_for` and `on_reuse`.

    Raises `HookUnavailable` if a function raises or returns an invalid value, such as None: a forgotten `return` must
    not mean everything.
    """

    __slots__ = ("_check_subject", "_claims_for", "_on_reuse", "_scopes_for", "coroutine_functions")

    def __init__(
        self,
        *,
        check_subject: CheckSubject,
        claims_for: ClaimsFor | None,
        scopes_for: ScopesFor | None,
        on_reuse: OnReuse | None,
    ) -> None:
        self._check_subject = boolean_hook("check_subject", check_subject, "a subject")
        self._claims_for = _optional("claims_for", claims_for, "a Session and returns a mapping", _members)
        self._scopes_for = _optional("scopes_for", scopes_for, "a Session and returns its scopes", _scopes)
        self._on_reuse = _optional("on_reuse", on_reuse, "a Family", _anything)
        hooks = (self._check_subject, self._claims_for, self._scopes_for, self._on_reuse)
        self.coroutine_functions: tuple[str, ...] = tuple(hook.name for hook in hooks if hook and hook.is_async)

    def decide_login(self, family: Family) -> Decision:
        """Return the claims and scopes of a new login: the application has just allowed it."""
        if self._claims_for is None and self._scopes_for is None:
            return _ALLOWED
        session = _session_of(family)
        return Decision(
            is_allowed=True,
            claims={} if self._claims_for is None else self._claims_for.call(session),
            scopes=None if self._scopes_for is None else self._scopes_for.call(session),
        )

    def decide(self, family: Family) -> Decision:
        """Return whether the login of *family* may go on, and with which claims and scopes."""
        return self.decide_login(family) if self._check_subject.call(family.subject) else _REFUSED

    async def decide_login_async(self, family: Family, run_blocking: RunBlocking) -> Decision:
        """Do what `decide_login` does, on an event loop."""
        if self._claims_for is None and self._scopes_for is None:
            return _ALLOWED
        session = _session_of(family)
        return Decision(
            is_allowed=True,
            claims={} if self._claims_for is None else await self._claims_for.call_async(run_blocking, session),
            scopes=None if self._scopes_for is None else await self._scopes_for.call_async(run_blocking, session),
        )

    async def decide_async(self, family: Family, run_blocking: RunBlocking) -> Decision:
        """Do what `decide` does, on an event loop."""
        allowed = await self._check_subject.call_async(run_blocking, family.subject)
        return await self.decide_login_async(family, run_blocking) if allowed else _REFUSED

    def notify_reuse(self, family: Family) -> None:
        """Call `on_reuse` with *family*, a spent token of which was used again. The hook's errors are only logged."""
        if self._on_reuse is not None:
            with suppress(HookUnavailable):  # logged; the family is revoked regardless
                self._on_reuse.call(family)

    async def notify_reuse_async(self, family: Family, run_blocking: RunBlocking) -> None:
        """Do what `notify_reuse` does, on an event loop."""
        if self._on_reuse is not None:
            with suppress(HookUnavailable):
                await self._on_reuse.call_async(run_blocking, family)


@final
class Hook:
    """A function of the application. *convert* makes its result a value to use, or raises `_InvalidResult`.

    *may_raise* is the error by which the function refuses. Every other error becomes `HookUnavailable`.
    """

    __slots__ = ("_convert", "_function", "_may_raise", "is_async", "name")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        takes: str,
        convert: Callable[[Any], Any],
        *,
        arguments: int = 1,
        may_raise: type[Exception] | None = None,
    ) -> None:
        if not _accepts(function, arguments):
            raise ConfigurationError(f"{name}= must be a function that takes {takes}")
        self.name: str = name
        self._function = function
        self._convert = convert
        self._may_raise = () if may_raise is None else may_raise
        self.is_async: bool = is_coroutine_function(function)

    def call(self, *arguments: Any) -> Any:
        """Call the function with *arguments*. Raises `HookUnavailable`."""
        try:
            return self._value_of(self._function(*arguments))
        except self._may_raise:
            raise
        except Exception as error:  # noqa: BLE001 - any error means that the application cannot say
            self._fail(error)

    async def call_async(self, run_blocking: RunBlocking, *arguments: Any) -> Any:
        """Do what `call` does, on an event loop: await a coroutine function, and run a plain one in a worker thread."""
        if not self.is_async:
            return await run_blocking(lambda: self.call(*arguments))
        try:
            return self._value_of(await self._function(*arguments))
        except self._may_raise:
            raise
        except BaseException as error:
            if isinstance(error, Exception) or is_stray_cancellation(error):
                self._fail(error)
            raise

    def _value_of(self, result: Any) -> Any:
        if inspect.iscoroutine(result):
            result.close()  # or Python warns that it was never awaited
            raise _InvalidResult("a coroutine: make it a coroutine function (async def)")
        return self._convert(result)

    def _fail(self, error: BaseException) -> NoReturn:
        if isinstance(error, _InvalidResult):
            _logger.error("%s returned %s", self.name, error)
        else:
            _logger.error("%s raised %s", self.name, traced(error))
        raise HookUnavailable(f"{self.name}_unavailable") from error


def boolean_hook(
    name: str, function: Callable[..., Any], takes: str, *, arguments: int = 1, may_raise: type[Exception] | None = None
) -> Hook:
    """Return the hook of a *function* that must return True or False."""
    return Hook(
        name, function, f"{takes} and returns True or False", _boolean, arguments=arguments, may_raise=may_raise
    )


class _InvalidResult(Exception):
    """A function returned a value of another type. The text says what it returned, without the value."""


def _session_of(family: Family) -> Session:
    """Return the session of *family*. Raises `StoreUnavailable` if the store changed its claims."""
    return call_store(Session.from_family, family)


def _optional(
    name: str, function: Callable[[Any], Any] | None, takes: str, convert: Callable[[Any], Any]
) -> Hook | None:
    return None if function is None else Hook(name, function, takes, convert)


def _accepts(function: object, arguments: int) -> bool:
    """Return whether *function* can be called with that many arguments. A builtin may not tell: then it is accepted."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*[None] * arguments)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def _boolean(result: object) -> bool:
    if result is not True and result is not False:
        raise _invalid(result, "neither True nor False")
    return result


def _members(result: object) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        raise _invalid(result, "no mapping")
    return dict(result)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _scopes(result: Any) -> frozenset[str]:
    try:
        return frozenset(scope_tokens(result))
    except ValueError:
        raise _invalid(result, "neither a list of scopes nor a string with spaces between them") from None


def _anything(result: object) -> None:
    """Ignore *result*: the function returns nothing that is used."""


def _invalid(result: object, found: str) -> _InvalidResult:
    return _InvalidResult("None: a `return` may be missing" if result is None else found)
