"""The program: its commands, and what becomes of an error. Nothing that a user does ends in a traceback."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version

import click

from gatepass.cli.demo import demo
from gatepass.cli.inspect import inspect
from gatepass.cli.keygen import keygen
from gatepass.cli.keys import keys
from gatepass.cli.purge import purge
from gatepass.cli.text import visible
from gatepass.errors import ConfigurationError

__all__ = ["run"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command explains itself: gatepass COMMAND --help",
)
@click.version_option(version("gatepass"), prog_name="gatepass")
def gatepass() -> None:
    """Issue and check JWT access tokens: keys, explanations, housekeeping, and a demo."""


gatepass.add_command(keygen)
gatepass.add_command(keys)
gatepass.add_command(inspect)
gatepass.add_command(purge)
gatepass.add_command(demo)


def run() -> None:
    """Run the command that `sys.argv` names, and exit: 0 fine, 1 the answer is no, 2 the command was wrong."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character gets its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        gatepass(prog_name="gatepass")
    except ConfigurationError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or 'input or output failed'}{f': {error.filename}' if error.filename else ''}")


def _fail(sentence: str) -> None:
    click.echo(f"Error: {visible(sentence)}", err=True)
    sys.exit(2)
