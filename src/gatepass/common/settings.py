"""Checks of settings when objects are made. Each returns the value to use or raises `ConfigurationError`.

They cover URLs, issuers, lists of names, durations, clocks, paths and types. Two more functions return the error texts
for libraries that are missing or replaced.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from gatepass.common.allow import HTTPS_ALONE, Allowed, is_loopback
from gatepass.common.limits import DAY, FIRST_SECOND, LAST_SECOND, wall_clock
from gatepass.common.texts import listed, plain
from gatepass.errors import ConfigurationError

__all__ = [
    "EXTRAS",
    "audience_names",
    "clock_function",
    "extra_hint",
    "file_path",
    "https_url",
    "issuer_name",
    "non_url_issuer",
    "require_instance",
    "seconds",
    "strings",
    "wrong_module",
]

_T = TypeVar("_T")

_logger = logging.getLogger("gatepass")
_MIN_CLOCK_SKEW = 60
"""Seconds by which a `clock=` may differ from this machine's clock before a warning is logged."""

# The characters of RFC 3986, except those that begin a query and a fragment.
_PLAIN_URL = re.compile(r"[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=%]+")
_MAX_NAME_LENGTH: Final = 1_024


def https_url(value: object, name: str, allow: Allowed = HTTPS_ALONE) -> str:
    """Return *value* if it is an https URL with a host and no user, query or fragment (RFC 8414 section 2).

    *allow* may permit plain http to loopback too.
    """
    if name == "issuer" and isinstance(value, (list, tuple, set, frozenset)) and value:
        raise ConfigurationError(f"{name}= is one string; for several issuers make a TokenVerifier for each")
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{name}= is missing: give the https URL, such as https://auth.example.com")
    is_url = value.startswith(("https:", "http:"))
    url = _split(value) if is_url and value.isascii() else None  # urlsplit takes quadratic time for the rest
    is_local = url is not None and url.scheme == "http" and is_loopback(url.hostname)
    if is_local and not allow.http_on_loopback:
        raise ConfigurationError(
            f"{name}= must be an https URL: for development on this machine use allow=HTTP_ON_LOOPBACK"
        )
    is_https = value.startswith("https:")
    if not (is_https or is_local) or (value.isascii() and (url is None or not url.hostname or "@" in url.netloc)):
        raise ConfigurationError(
            f"{name}= must be an https URL such as https://auth.example.com (http is not accepted)"
        )
    if not _PLAIN_URL.fullmatch(value):
        raise ConfigurationError(f"{name}= must be a plain URL, without query, fragment or spaces")
    return value


def issuer_name(issuer: object, allow: Allowed) -> str:
    """Return *issuer* if it is an https URL, or another form that *allow* permits."""
    if allow.non_https_issuer and isinstance(issuer, str) and issuer and not issuer.startswith("https:"):
        return non_url_issuer(issuer)
    return https_url(issuer, "issuer", allow)


def non_url_issuer(issuer: str) -> str:
    """Return *issuer*, a name that is not an https URL, if it is short, printable and not surrounded by blanks."""
    if len(issuer) > _MAX_NAME_LENGTH or not issuer.isprintable() or issuer != issuer.strip():
        raise ConfigurationError(
            f"issuer= must be the exact name in the tokens: at most {_MAX_NAME_LENGTH} printable characters, without "
            "blanks before or after it"
        )
    return issuer


def strings(value: str | Iterable[str], name: str) -> tuple[str, ...]:
    """Return *value*, a string or a list, as a tuple of strings. Empty strings and duplicates are refused."""
    if not isinstance(value, Iterable):
        raise ConfigurationError(f"{name}= takes a string or a list of strings")
    items: tuple[Any, ...] = (plain(value),) if isinstance(value, str) else listed(value) or tuple(value)
    names = tuple(item for item in items if isinstance(item, str) and item)
    if len(names) != len(items):
        raise ConfigurationError(f"{name}= takes non-empty strings")
    if isinstance(value, Mapping):
        raise ConfigurationError(f"{name}= takes a string or a list of strings, not a dict")
    if len(set(names)) != len(names):
        raise ConfigurationError(f"{name}= contains a value twice")
    return names


def require_instance(value: object, kind: type[_T], error: str) -> _T:
    """Return *value* if it is an instance of *kind*. Raises `ConfigurationError` with the text *error*."""
    if isinstance(value, kind):
        return value
    raise ConfigurationError(error)


def audience_names(value: str | Iterable[str] | None, hint: str) -> tuple[str, ...]:
    """Return *value* as a tuple of at least one audience."""
    names = strings(value or (), "audience")
    if not names:
        raise ConfigurationError(f"audience= is missing: {hint}")
    if any(name != name.strip() for name in names):
        raise ConfigurationError("audience= begins or ends with a space or a line break: remove it")
    return names


def seconds(value: float | timedelta, name: str, *, minimum: float, maximum: float) -> float:
    """Return *value*, a number of seconds or a timedelta, as seconds from *minimum* to *maximum*."""
    number: object = timedelta.total_seconds(value) if isinstance(value, timedelta) else value
    exact = None if isinstance(number, bool) else _exact_number(number)
    if exact is None or not minimum <= exact <= maximum:
        raise ConfigurationError(f"{name}= must be a timedelta or a number from {minimum:g} to {maximum:.10g} seconds")
    return exact


def _exact_number(value: object) -> float | None:
    """Return *value* as an int or float, or None. A subclass may define another comparison."""
    kind = type(value)
    if issubclass(kind, int):
        return int.__int__(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return float.__float__(value) if issubclass(kind, float) else None  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def clock_function(
    value: Callable[[], float] | None, *, owner: str = "", default: Callable[[], float] = wall_clock
) -> Callable[[], float]:
    """Return *value* if it is a function that returns seconds; *default* for None.

    A warning that names the *owner* is logged for a clock that differs from this machine's by minutes or hours. A clock
    that differs by days belongs to a test, and is not logged.
    """
    if value is None:
        return default
    try:
        now: object = value()
    except TypeError:
        now = None
    except Exception:  # noqa: BLE001 - it may work later; while it raises, no token is accepted
        return value
    if isinstance(now, bool) or not isinstance(now, (int, float)):
        raise ConfigurationError("clock= must be a function without arguments that returns seconds, such as time.time")
    if LAST_SECOND < now < math.inf or -math.inf < now < FIRST_SECOND:
        raise ConfigurationError(
            "clock= does not return seconds since 1970 but a smaller unit: divide milliseconds by 1,000"
        )
    skew = now - default()
    if owner and _MIN_CLOCK_SKEW < abs(skew) < DAY:
        _logger.warning(
            "the clock= of a %s is %d seconds %s time.time, which tokens are issued or verified with",
            owner, abs(skew), "behind" if skew < 0 else "ahead of",
        )  # fmt: skip
    return value


def file_path(value: object, name: str) -> Path:
    """Return *value*, a string or a path, as a `Path`."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(text, str):
        raise ConfigurationError(f"{name}= takes a string or a Path")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        text = "\0"
    if "\0" in text:
        raise ConfigurationError(f"{name}= contains a character that a path must not have")
    return Path(text)


EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "flask": ("flask>=3.1.3", "werkzeug>=3.1.9"),
    "starlette": ("starlette>=1.3.1",),
    "fastapi": ("fastapi>=0.133.0", "starlette>=1.3.1"),
    "django": ("django>=5.2.19",),
    "drf": ("djangorestframework>=3.18.2", "django>=5.2.19"),
    "cli": ("click>=8.3.3", "rich>=13.7.0"),
    "jwks": ("httpx>=0.27.0",),
    "redis": ("redis>=5.0.1",),
    "sql": ("sqlalchemy>=2.0.41",),
    "demo": (
        "click>=8.3.3", "rich>=13.7.0", "flask>=3.1.3", "werkzeug>=3.1.9", "starlette>=1.3.1", "fastapi>=0.133.0",
        "django>=5.2.19", "python-multipart>=0.0.31", "uvicorn>=0.30.0", "waitress>=3.0.2",
    ),
}  # fmt: skip
"""The requirements of each extra in pyproject.toml, with the same bounds."""


def extra_hint(extra: str, *others: str) -> str:
    """Return the command that installs the requirements of *extra* and the *others*.

    >>> extra_hint("jwks")
    "pip install 'httpx>=0.27.0' (the extra gatepass[jwks])"
    """
    needed = " ".join(f"'{requirement}'" for requirement in (*EXTRAS[extra], *others))
    return f"pip install {needed} (the extra gatepass[{extra}])"


def wrong_module(module: ModuleType) -> str:
    """Return the error text for *module*, which has the name of a needed library but is another module."""
    place = getattr(module, "__file__", None) or "an unknown place"
    return f"the module {module.__name__} in {place} is not the library of that name that gatepass needs"


def _split(value: str) -> SplitResult | None:
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 - a port that is not a number raises here
    except ValueError:
        return None
    return url
