"""One module for each library, which verifies and issues as the library's documentation shows.

`NAME` is the name in the tables. `verifying(material)` and `issuing(material)` do all preparation that is possible, and
return the function to measure. Libraries that are not installed are skipped.
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
