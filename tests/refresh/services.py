"""Where the database servers of the tests are."""

import os
import secrets
import shutil
from urllib.parse import unquote, urlsplit

from tests.needs import missing

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
    place = urlsplit(url)
    where = f"{place.hostname}:{place.port or urlsplit(_DEFAULTS[name]).port}"
    try:
        {"REDIS": _ask_redis, "POSTGRES": _ask_postgres, "MARIADB": _ask_mariadb}[name](url, place)
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed: pip install --group stores"
    except Exception as error:  # noqa: BLE001 - whatever the driver raises is the reason
        said = str(error).strip().partition("\n")[0]
        return f"{where} does not serve {place.username or 'the tests'}: {type(error).__name__}: {said[:200]}"
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


def patient(url):
    """*url* of a Redis server, for a client that takes a slow answer for no fault."""
    return f"{url}{'&' if '?' in url else '?'}socket_timeout={PATIENCE}&socket_connect_timeout={PATIENCE}"


def program(name):
    """The path of the program *name*, for tests that stop and start a server of their own."""
    return shutil.which(name) or missing(_PROGRAMS.get(name, "MariaDB"), f"the program {name} is not installed")


def bound(command):
    """*command* for a server that ends with the thread that starts it, also if that is killed."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command
