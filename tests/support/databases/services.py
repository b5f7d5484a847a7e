"""The URLs of PostgreSQL, MariaDB and Redis, and whether the tests can use them."""

import os
import secrets
import shutil
import time
from importlib import import_module
from urllib.parse import unquote, urlsplit

from tests.support.needs import missing

PATIENCE = 60
"""Timeout for a server's answer, in seconds: long, because a busy machine keeps it waiting."""
AT_ONCE = 20
"""Connections that the threads of one test share. PostgreSQL has a hundred, for all the processes that run tests."""
_DEFAULTS = {
    "REDIS": "redis://127.0.0.1:6379/0",
    "POSTGRES": "postgresql://root@127.0.0.1:5432/test",
    "MARIADB": "mysql://root@127.0.0.1:3306/test",
}
_NAMES = {"REDIS": "Redis", "POSTGRES": "PostgreSQL", "MARIADB": "MariaDB"}
_KNOWN = set()
"""The URLs that served this process: asked once, because a test must not depend on how many ask at that moment."""
_DRIVERS = {"REDIS": ("redis", "RedisError"), "POSTGRES": ("psycopg", "Error"), "MARIADB": ("pymysql", "MySQLError")}
"""What asks, and what all its errors are."""
_FULL = ("too many clients", "connection slots are reserved", "Too many connections", "max number of clients")
"""What servers say that have no connection left: that passes, and a service is there."""
_PROGRAMS = {"redis-server": "Redis", "postgres": "PostgreSQL", "initdb": "PostgreSQL"}


def address(name):
    """The URL of the service *name*: `GATEPASS_TEST_<name>_URL`, or loopback."""
    return os.environ.get(f"GATEPASS_TEST_{name}_URL") or _DEFAULTS[name]


def running(name):
    """The URL of the service *name*, where it answers and its user may do what the tests do."""
    url = address(name)
    if url not in _KNOWN:
        refusal = _refusal(name, url)
        if refusal:
            missing(_NAMES[name], refusal)
        _KNOWN.add(url)
    return url


def _refusal(name, url):
    """Why the tests cannot use the service, in the words of its driver. Any other error is one of the tests' own."""
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
    """*url* of a Redis server, for a client that takes a slow answer for no fault."""
    return f"{url}{'&' if '?' in url else '?'}socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"


def program(name):
    """The path of the program *name*, for tests that stop and start a server of their own."""
    return shutil.which(name) or missing(f"{_PROGRAMS.get(name, 'MariaDB')}'s programs", f"{name} is not installed")


def bound(command):
    """*command* for a server that ends with the thread that starts it, also if that is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
