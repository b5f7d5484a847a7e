"""The command `gatepass`. A user's mistake ends it with one sentence and never with a traceback.

No other package imports this one.
"""

# ruff: noqa: PLC0415 - click and rich, of the extra `cli`, are imported late: the command can say how to install them

from __future__ import annotations

import importlib.util
import io
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError

if TYPE_CHECKING:
    from click import Group

__all__ = ["main"]

_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command in `sys.argv` and exit: 0 success, 1 a failed check or store, 2 wrong usage or configuration."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        _fail(f"the gatepass command needs click and rich; install them with: {extra_hint('cli')}")
    from gatepass.cli.text import visible

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escapes what the terminal's encoding cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        _commands()(prog_name="gatepass")
    except ConfigurationError as error:
        _fail(f"Error: {visible(str(error))}")
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _fail(f"Error: {visible((error.strerror or 'input or output failed') + place)}")


def _commands() -> Group:
    import click

    from gatepass.cli.demo import demo
    from gatepass.cli.inspect import inspect
    from gatepass.cli.keygen import keygen
    from gatepass.cli.keys import keys
    from gatepass.cli.purge import purge
    from gatepass.cli.upgrade_store import upgrade_store

    @click.group(
        commands=[keygen, keys, inspect, purge, upgrade_store, demo],
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Help for one command: gatepass COMMAND --help",
    )
    @click.version_option(version("gatepass"), prog_name="gatepass")
    def gatepass() -> None:
        """Make and rotate keys, inspect JWT access tokens, purge and upgrade token stores, and run a demo."""

    return gatepass


def _fail(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)
