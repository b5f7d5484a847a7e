"""The URLs of PostgreSQL, MariaDB and Redis, and whether the tests can use them."""

import os
import secrets
import shutil
import time
from importlib import import_module
from urllib.parse import unquote, urlsplit

from tests.support.needs import missing

PATIENCE = 60
"""The timeout for a response of a server, in seconds: long, because the machine may be busy."""
AT_ONCE = 20
"""The number of connections that the threads of one test share. PostgreSQL allows a hundred for all test processes."""
_DEFAULTS = {
    "REDIS": "redis://127.0.0.1:6379/0",
    "POSTGRES": "postgresql://root@127.0.0.1:5432/test",
    "MARIADB": "mysql://root@127.0.0.1:3306/test",
}
_NAMES = {"REDIS": "Redis", "POSTGRES": "PostgreSQL", "MARIADB": "MariaDB"}
_KNOWN = set()
"""The URLs that worked in this process. Each is tried once, so that no test depends on how many others connect at that
time.
"""
_DRIVERS = {"REDIS": ("redis", "RedisError"), "POSTGRES": ("psycopg", "Error"), "MARIADB": ("pymysql", "MySQLError")}
"""The driver, and the base class of its errors."""
_FULL = ("too many clients", "connection slots are reserved", "Too many connections", "max number of clients")
"""Errors of a server without a free connection. They are temporary, and show that the service is available."""
_PROGRAMS = {"redis-server": "Redis", "postgres": "PostgreSQL", "initdb": "PostgreSQL"}


def address(name):
    """Return the URL of the service *name*: `GATEPASS_TEST_<name>_URL`, or loopback."""
    return os.environ.get(f"GATEPASS_TEST_{name}_URL") or _DEFAULTS[name]


def running(name):
    """Return the URL of the service *name* if it responds and its user has the permissions that the tests need."""
    url = address(name)
    if url not in _KNOWN:
        refusal = _refusal(name, url)
        if refusal:
            missing(_NAMES[name], refusal)
        _KNOWN.add(url)
    return url


def _refusal(name, url):
    """Return why the tests cannot use the service, in the words of its driver. Other errors are errors of the tests."""
    place, (driver, error_of_all) = urlsplit(url), _DRIVERS[name]
    try:
        of_the_driver = getattr(import_module(driver), error_of_all)
    except ImportError as error:
        return f"{driver} cannot be imported ({error}): pip install --group stores"
    until = time.monotonic() + PATIENCE
    while True:
        try:
            _ASK[name](url, place)
        except (OSError, of_the_driver) as error:
            said = str(error).strip().partition("\n")[0]
            if not any(words in said for words in _FULL):
                where = f"{place.hostname}:{place.port or urlsplit(_DEFAULTS[name]).port}"
                return f"{where} does not serve {place.username or 'the tests'}: {type(error).__name__}: {said[:200]}"
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return None


def _ask_redis(url, _):
    from redis import Redis

    with Redis.from_url(patient(url)) as client:
        client.ping()


def _ask_postgres(_, place):
    from psycopg import connect

    name = f"gatepass_{secrets.token_hex(6)}"
    url = place._replace(scheme="postgresql").geturl()
    with connect(url, connect_timeout=PATIENCE, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute(f"DROP SCHEMA {name}")


def _ask_mariadb(_, place):
    from pymysql import connect

    name = f"gatepass_{secrets.token_hex(6)}"
    login = {"user": unquote(place.username or ""), "password": unquote(place.password or "")}
    where = {"host": place.hostname, "port": place.port or 3306, "database": unquote(place.path[1:])}
    with connect(**where, **login, connect_timeout=PATIENCE) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"DROP DATABASE {name}")


_ASK = {"REDIS": _ask_redis, "POSTGRES": _ask_postgres, "MARIADB": _ask_mariadb}


def patient(url):
    """Return the *url* of a Redis server with timeouts for slow responses."""
    return f"{url}{'&' if '?' in url else '?'}socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"


def program(name):
    """Return the path of the program *name*, for tests that stop and start a server."""
    return shutil.which(name) or missing(f"{_PROGRAMS.get(name, 'MariaDB')}'s programs", f"{name} is not installed")


def bound(command):
    """Return the *command* of a server that ends with the thread that starts it, even if that is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
