"""One module a library; each knows how its library is documented to check and to issue, with keys prepared.

`NAME` is what tables call it. `verifying(material)` and `issuing(material)` prepare everything that can be prepared
and return the function that is timed. A library that is not installed is left out.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

__all__ = ["PYJWT", "installed_peers"]

PYJWT = "PyJWT"
_LIBRARIES = {"gatepass": "gatepass", "jwt": "pyjwt", "joserfc": "joserfc", "oxyjwt": "oxyjwt"}


def installed_peers() -> list[ModuleType]:
    return [import_module(f"{__name__}.with_{name}") for module, name in _LIBRARIES.items() if find_spec(module)]
