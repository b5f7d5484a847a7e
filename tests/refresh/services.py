"""Where the database servers of the tests are."""

import os
import shutil
import socket
from urllib.parse import urlsplit

from tests.needs import missing

PATIENCE = 60
"""Seconds after which a server hangs, and is no longer slow: on a busy machine one may be kept waiting for long."""
_DEFAULTS = {
    "REDIS": "redis://127.0.0.1:6379/0",
    "POSTGRES": "postgresql://root@127.0.0.1:5432/test",
    "MARIADB": "mysql://root@127.0.0.1:3306/test",
}
_NAMES = {"REDIS": "Redis", "POSTGRES": "PostgreSQL", "MARIADB": "MariaDB"}
_PROGRAMS = {"redis-server": "Redis", "postgres": "PostgreSQL", "initdb": "PostgreSQL"}


def address(name):
    """The URL of the service *name*: `GATEPASS_TEST_<name>_URL`, or loopback."""
    return os.environ.get(f"GATEPASS_TEST_{name}_URL") or _DEFAULTS[name]


def running(name):
    """The URL of the service *name*, where somebody listens."""
    url = address(name)
    place = urlsplit(url)
    try:
        with socket.create_connection((place.hostname, place.port or urlsplit(_DEFAULTS[name]).port), timeout=PATIENCE):
            return url
    except OSError as error:
        missing(_NAMES[name], f"nothing answers at {place.hostname}:{place.port} ({type(error).__name__})")


def patient(url):
    """*url* of a Redis server, for a client that takes a slow answer for no fault."""
    return f"{url}{'&' if '?' in url else '?'}socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"


def program(name):
    """The path of the program *name*, for tests that stop and start a server of their own."""
    return shutil.which(name) or missing(_PROGRAMS.get(name, "MariaDB"), f"the program {name} is not installed")


def bound(command):
    """*command* for a server that ends with the thread that starts it: nobody else would end it where we are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
