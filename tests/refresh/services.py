"""Where the database servers of the tests are."""

import os
import secrets
import shutil
import socket
from urllib.parse import urlsplit

from tests.needs import missing

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
        with socket.create_connection((place.hostname, place.port or urlsplit(_DEFAULTS[name]).port), timeout=3):
            return url
    except OSError as error:
        missing(_NAMES[name], f"nothing answers at {place.hostname}:{place.port} ({type(error).__name__})")


def program(name):
    """The path of the program *name*, for tests that stop and start a server of their own."""
    return shutil.which(name) or missing(_PROGRAMS.get(name, "MariaDB"), f"the program {name} is not installed")


def bound(command):
    """*command* for a server that ends with the thread that starts it: nobody else would end it where we are killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def free_port():
    """A port that nobody listens at, below those that are dealt out: nobody is given it while a server restarts, and
    nobody who calls there meanwhile is connected to himself.
    """
    while True:
        port = secrets.choice(range(10_000, 32_000))
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
