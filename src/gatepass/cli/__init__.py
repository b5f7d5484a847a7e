"""The command `gatepass`: keys for day one, an answer to "why 401?", housekeeping, and the demo.

Nothing of it is imported by the core. click and rich come with an extra and are imported late, so that without them
a sentence is printed and not a traceback.
"""

from __future__ import annotations

import importlib.util
import sys

from gatepass.common.settings import extra_hint

__all__ = ["main"]

_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        sys.stderr.write(f"the gatepass command needs click and rich; install them with: {extra_hint('cli')}\n")
        sys.exit(2)
    from gatepass.cli.program import run  # noqa: PLC0415 - see above

    run()
