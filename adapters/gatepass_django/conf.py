"""The setting `GATEPASS`: a dict of options, or the dotted path of a `ResourceServer` that the project built.

The options are those of `TokenVerifier` and `ResourceServer` in capitals, where functions and `COOKIES` may be dotted
paths, `PROFILE` a name such as "keycloak" and `ALLOW` one such as "HTTP_ON_LOOPBACK" or several; `PUBLIC`, the paths
that need no token; and the source of keys, `KEY_ENV`, `PEM_FILE`, `JWKS_FILE`, `JWKS_URI` or `KEYS`. Without
one they are found through the issuer's metadata.
With `RESOURCE_SERVER`, a dotted path or the object, `PUBLIC` may stand beside it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from gatepass import (
    HTTP_ON_LOOPBACK,
    NON_HTTPS_ISSUER,
    ConfigurationError,
    JWKSClient,
    Key,
    KeySet,
    Profile,
    ResourceServer,
    TokenVerifier,
)
from gatepass.adapter import public_paths

__all__ = ["configuration", "unknown_options"]

_KEY_SOURCES: Final = ("KEY_ENV", "PEM_FILE", "JWKS_FILE", "JWKS_URI", "KEYS")
_PATH: Final = re.compile(r"(?:\w:|\.{1,2})?(?:[/\\][\w .@-]{1,32}){1,16}|[\w@-]{1,24}\.\w{2,5}")
_ALLOWANCES: Final = {repr(value): value for value in (HTTP_ON_LOOPBACK, NON_HTTPS_ISSUER)}
_ARGUMENT: Final = re.compile(r"([a-z_]+)(?:=| must )")
_ALLOWANCE: Final = re.compile(r"allow=([A-Z_]+)")
_FUNCTIONS: Final = ("IS_REVOKED", "CHECK_SUBJECT", "CLOCK")
_VERIFIER: Final = frozenset(name.upper() for name in signature(TokenVerifier).parameters) - {"KEYS"}
_SERVER: Final = frozenset(name.upper() for name in signature(ResourceServer).parameters) - {"VERIFIERS"}
_KNOWN: Final = {"PUBLIC", "RESOURCE_SERVER", *_KEY_SOURCES, *_VERIFIER, *_SERVER}


class Configuration(NamedTuple):
    """What the setting describes."""

    server: ResourceServer
    public: frozenset[str]


@cache
def configuration() -> Configuration:
    """The setting, read once. Raises `ConfigurationError` with a sentence that says what to change."""
    value: Any = getattr(settings, "GATEPASS", None)
    if isinstance(value, str) and value:
        return Configuration(_as_server(value, "the setting GATEPASS"), frozenset())
    if not value or not isinstance(value, dict):
        raise ConfigurationError(
            'the setting GATEPASS is missing: give a dict with "ISSUER" and "AUDIENCE", and with a source of keys such '
            'as "KEY_ENV" unless the issuer publishes them, or the dotted path of a ResourceServer'
        )
    options = cast("dict[str, Any]", value)
    unknown = unknown_options(options)
    if unknown:
        raise ConfigurationError(f"the setting GATEPASS has unknown options: {', '.join(unknown)}")
    try:
        public = public_paths(options.get("PUBLIC", ()))
        if "RESOURCE_SERVER" not in options:
            return Configuration(_build_server(options), public)
    except ConfigurationError as error:
        raise ConfigurationError(_with_option(str(error))) from None
    if set(options) - {"RESOURCE_SERVER", "PUBLIC"}:
        raise ConfigurationError("beside RESOURCE_SERVER only PUBLIC may stand: the server was built with the rest")
    return Configuration(_as_server(options["RESOURCE_SERVER"], _option("RESOURCE_SERVER")), public)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "GATEPASS":
        configuration.cache_clear()


setting_changed.connect(_forget, dispatch_uid="gatepass_django.conf")  # sent by override_settings, in tests


def unknown_options(options: Mapping[str, Any]) -> list[str]:
    """The names in *options* that mean nothing here, each with the known name that it resembles."""
    unknown = sorted(str(name) for name in options if name not in _KNOWN)
    near = {name: _resembling(name.upper()) for name in unknown}
    return [f"{name}; did you mean {' or '.join(near[name])}?" if near[name] else name for name in unknown]


def _resembling(name: str) -> list[str]:
    longer = {known for known in _KNOWN if known.startswith(f"{name}_")}
    return sorted({*get_close_matches(name, _KNOWN, n=1), *longer})


def _as_server(server: object, place: str) -> ResourceServer:
    found = _import(server, place)
    if not isinstance(found, ResourceServer):
        raise ConfigurationError("GATEPASS must name a ResourceServer that the project built")
    return found


def _build_server(given: Mapping[str, Any]) -> ResourceServer:
    options: dict[str, Any] = {**given, "ALLOW": _allowed(given.get("ALLOW", ()))}
    if isinstance(options.get("ALGORITHMS"), Iterator):  # read for the keys and for the verifier
        options["ALGORITHMS"] = tuple(options["ALGORITHMS"])
    policy = {name: options[name] for name in _VERIFIER.intersection(options)}
    for name in _FUNCTIONS:
        if name in policy:
            policy[name] = _import(policy[name], _option(name))
    if isinstance(policy.get("PROFILE"), str):
        policy["PROFILE"] = _profile(policy["PROFILE"])
    named: dict[str, Any] = {"issuer": "", "audience": "", "keys": _keys(options), **_lower(policy)}
    rest = {name: options[name] for name in _SERVER.intersection(options)}
    if "COOKIES" in rest:
        rest["COOKIES"] = _import(rest["COOKIES"], _option("COOKIES"))
    return ResourceServer(TokenVerifier(**named), **_lower(rest))


def _allowed(allow: Any) -> tuple[Any, ...]:
    """*allow* with the values in the place of their names."""
    values = cast("Iterable[Any]", allow) if isinstance(allow, (tuple, list)) else (allow,)
    return tuple(_ALLOWANCES.get(value, value) if isinstance(value, str) else value for value in values)


def _with_option(text: str) -> str:
    """*text*, which begins with a keyword argument, after the option that was written in its place."""
    text = _ALLOWANCE.sub(r'"ALLOW": "\1"', text)
    found = _ARGUMENT.match(text)
    option = found[1].upper() if found else ""
    return f"{_option(option)}: {text}" if option in _KNOWN else text


def _profile(name: str) -> Profile:
    try:
        return Profile.named(name)
    except ConfigurationError as error:
        raise ConfigurationError(f"PROFILE in the setting GATEPASS: {error}") from None


def _keys(options: Mapping[str, Any]) -> Any:
    """The keys, or None for those that the issuer's own metadata leads to."""
    sources = [name for name in _KEY_SOURCES if name in options]
    if len(sources) > 1:
        raise ConfigurationError(f"the setting GATEPASS has more than one source of keys: {', '.join(sources)}")
    if not sources:
        return None
    source, value = sources[0], options[sources[0]]
    algorithms = tuple(options.get("ALGORITHMS") or ())
    only = algorithms[0] if len(algorithms) == 1 else None  # then it is the one that the key is bound to
    if source == "KEYS":
        return _as_keys(value)
    if source == "JWKS_URI":
        return JWKSClient(value, algorithms=algorithms or None, allow=options["ALLOW"])
    if source == "KEY_ENV":
        return Key.from_env(value, algorithm=only)
    text = _text(value, source)
    if source == "PEM_FILE":
        return Key.from_pem(text, algorithm=only)
    return KeySet.from_jwks(text, algorithms=algorithms or None)


def _as_keys(keys: Any) -> Any:
    """*keys*, unless None: a source that turned out empty is a mistake, and not a wish to look elsewhere."""
    if keys is None:
        raise ConfigurationError("KEYS in the setting GATEPASS is None: leave it out to have the issuer's keys found")
    if isinstance(keys, str):
        raise ConfigurationError(
            "KEYS in the setting GATEPASS takes keys and no text: JWKS_URI takes the address of a key set, PEM_FILE "
            "and JWKS_FILE the path of a file, KEY_ENV the name of an environment variable"
        )
    return keys


def _text(path: str | Path, name: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        # What is no path may be the key itself, pasted into the wrong option.
        shown = f", {path}," if _PATH.fullmatch(str(path)) else ""
        raise ConfigurationError(f"the file that {name} names{shown} cannot be read: {type(error).__name__}") from None


def _option(name: str) -> str:
    return f"{name} in the setting GATEPASS"


def _import(value: object, place: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError as error:
        raise ConfigurationError(f"{place} cannot be imported: {value} ({error})") from error


def _lower(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in options.items()}
