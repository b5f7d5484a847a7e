"""What to install where something is missing, said as pip takes it, and what stands in its place."""

from __future__ import annotations

from types import ModuleType
from typing import Final

__all__ = ["EXTRAS", "extra_hint", "stranger"]

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
"""What each extra of pyproject.toml brings, with the same bounds."""


def extra_hint(extra: str, *others: str) -> str:
    """How to install what *extra* brings, and *others* beside it.

    >>> extra_hint("jwks")
    "pip install 'httpx>=0.27.0' (the extra gatepass[jwks])"
    """
    needed = " ".join(f"'{requirement}'" for requirement in (*EXTRAS[extra], *others))
    return f"pip install {needed} (the extra gatepass[{extra}])"


def stranger(module: ModuleType) -> str:
    """That *module*, which was imported by its name, is another one than is needed; and where it lies."""
    place = getattr(module, "__file__", None) or "an unknown place"
    return f"the module {module.__name__} in {place} is not the library of that name that gatepass needs"
