"""The setting `GATEPASS`: a dict of options, or the dotted path of a `ResourceServer` that the project built.

The options are the arguments of `TokenVerifier` and `ResourceServer` in capitals. Functions and `COOKIES` may be dotted
paths, `PROFILE` may be a name such as "keycloak", and `ALLOW` one name such as "HTTP_ON_LOOPBACK" or several. `PUBLIC`
lists the paths that need no token. The keys come from one of `KEY_ENV`, `PEM_FILE`, `JWKS_FILE`, `JWKS_URI` and `KEYS`,
or else from the issuer's metadata. With `RESOURCE_SERVER`, a dotted path or the object, the only other option is
`PUBLIC`.
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
    """The server and the public paths of the setting."""

    server: ResourceServer
    public: frozenset[str]


@cache
def configuration() -> Configuration:
    """Return the setting, which is read once. Raises `ConfigurationError` with a text that says what to change."""
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
        raise ConfigurationError("beside RESOURCE_SERVER only PUBLIC is allowed: give the other options to the server")
    return Configuration(_as_server(options["RESOURCE_SERVER"], _option("RESOURCE_SERVER")), public)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "GATEPASS":
        configuration.cache_clear()


setting_changed.connect(_forget, dispatch_uid="gatepass_django.conf")  # sent by override_settings, in tests


def unknown_options(options: Mapping[str, Any]) -> list[str]:
    """Return the unknown names in *options*, each with the known names that resemble it."""
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
    if isinstance(options.get("ALGORITHMS"), Iterator):  # used twice: for the keys and the verifier
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
    """Return *allow* with values in place of their names."""
    values = cast("Iterable[Any]", allow) if isinstance(allow, (tuple, list)) else (allow,)
    return tuple(_ALLOWANCES.get(value, value) if isinstance(value, str) else value for value in values)


def _with_option(text: str) -> str:
    """Put the option's name before *text*, which begins with the name of a keyword argument."""
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
    """Return the keys, or None to discover them from the issuer's metadata."""
    sources = [name for name in _KEY_SOURCES if name in options]
    if len(sources) > 1:
        raise ConfigurationError(f"the setting GATEPASS has more than one source of keys: {', '.join(sources)}")
    if not sources:
        return None
    source, value = sources[0], options[sources[0]]
    algorithms = tuple(options.get("ALGORITHMS") or ())
    only = algorithms[0] if len(algorithms) == 1 else None  # then the key is bound to it
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
    """Return *keys*; reject None, which is a mistake and must not start discovery."""
    if keys is None:
        raise ConfigurationError("KEYS in the setting GATEPASS is None: leave it out to discover the issuer's keys")
    if isinstance(keys, str):
        raise ConfigurationError(
            "KEYS in the setting GATEPASS takes keys, not a string: JWKS_URI takes the URL of a key set, PEM_FILE "
            "and JWKS_FILE the path of a file, KEY_ENV the name of an environment variable"
        )
    return keys


def _text(path: str | Path, name: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        # A value that is not a path may be the key itself, in the wrong option.
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
