"""What an environment variable holds, found by its name.

The name is where a secret is most easily given by mistake, `Key.from_env(os.environ["JWT_SECRET_KEY"])`, so what is not
plainly the name of a variable is never repeated in an error.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final

from gatepass.errors import ConfigurationError, MalformedToken
from gatepass.jose.strict_json import parse_object
from gatepass.keys.layers import decodings

__all__ = ["json_in", "jwk_text", "text_of"]

_LONGEST_NAME: Final = 64
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Short words in capitals, as in JWT_SECRET_KEY: no secret that is long enough looks like it.
_CONVENTIONAL: Final = re.compile(r"(?=.{1,40}\Z)[A-Z_][A-Z0-9]{0,19}(?:_[A-Z0-9]{0,19})*", re.ASCII)


def text_of(name: str) -> str:
    """The value of the variable *name*, without blanks around it. Raises `ConfigurationError` if it is not set."""
    value = _value(name)
    if value:
        return value
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ConfigurationError(
            'from_env takes the name of an environment variable, such as "JWT_SECRET_KEY", and not what is in it'
        )
    if not _CONVENTIONAL.fullmatch(name):
        raise ConfigurationError(
            "the environment variable that from_env names is not set; give the name of a variable, such as "
            '"JWT_SECRET_KEY", and not what is in it'
        )
    raise ConfigurationError(
        f"the environment variable {name} is not set; put a secret into it, made with: gatepass keygen HS256"
    )


def jwk_text(value: str) -> str | None:
    """The JSON object in *value*, also if it is a JWK in quotes or under a layer of base64; None if there is none."""
    if value.startswith("{"):
        return value
    layers = [value[1:-1].encode(), *decodings(value.encode())] if value.isascii() else []
    found = (layer.strip() for layer in layers if b'"kty"' in layer)
    return next((layer.decode() for layer in found if layer.startswith(b"{") and layer.isascii()), None)


def json_in(value: str, name: str) -> dict[str, Any]:
    """The JWK in *value*, which the variable *name* holds."""
    try:
        return parse_object(value.encode())
    except UnicodeEncodeError:
        error = "a JWK must be text that has a UTF-8 form"
    except MalformedToken:
        error = f"the environment variable {_shown(name)} looks like a JWK but is not strict JSON"
    raise ConfigurationError(error)


def _value(name: str) -> str:
    try:
        return os.environ.get(name, "").strip().removeprefix("\ufeff").lstrip()
    except (TypeError, UnicodeEncodeError):
        pass
    raise ConfigurationError("Key.from_env takes the name of an environment variable")


def _shown(name: str) -> str:
    return name if _CONVENTIONAL.fullmatch(name) else "that from_env names"
