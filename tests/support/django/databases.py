"""The databases of the Django tests, SQLite, PostgreSQL and MariaDB, and stores on them.

A test creates and migrates them. Other processes read their names from the environment.
"""

import os
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.databases.services import PATIENCE, address, running

_NAME = "GATEPASS_TEST_DJANGO_NAME"
ALIASES = {"sqlite": "default", "postgresql": "postgresql", "mariadb": "mariadb"}
_SERVICES = {"postgresql": "POSTGRES", "mariadb": "MARIADB"}


def own_name():
    """Return a database name that this process shares with the processes that it starts, and with no other test run."""
    name = os.environ.setdefault(_NAME, f"gatepass_django_{secrets.token_hex(6)}")
    worker = os.environ.get("PYTEST_XDIST_WORKER")  # the environment of a worker may have the name of its parent
    return f"{name}_{worker}" if worker else name


def databases():
    """Return the setting DATABASES, without connecting."""
    name = own_name()
    try:
        import pymysql

        pymysql.install_as_MySQLdb()
    except ImportError:
        pass
    return {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(tempfile.gettempdir()) / f"{name}.sqlite3"),
            "OPTIONS": {"timeout": PATIENCE, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"},
        },
        "postgresql": {
            **_place("POSTGRES"),
            "ENGINE": "django.db.backends.postgresql",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"connect_timeout": PATIENCE, "options": f"-c search_path={name}", "application_name": name},
        },
        "mariadb": {
            **_place("MARIADB"),
            "ENGINE": "django.db.backends.mysql",
            "CONN_MAX_AGE": None,
            "NAME": name,
            "OPTIONS": {"connect_timeout": PATIENCE, "read_timeout": 2 * PATIENCE, "charset": "utf8mb4"},
        },
    }


def open_store(alias):
    """Open a store in this process, which may be a child process."""
    from tests.support.django import ready as django_ready  # noqa: F401 - imported for its effect

    from gatepass_django.refresh import DjangoStore

    return DjangoStore(using=alias)


@contextmanager
def empty_database(kind):
    """Create an empty database, yield its alias, and drop it afterwards."""
    from django.db import connections

    alias = ALIASES[kind]
    name = own_name()
    if kind in _SERVICES:
        running(_SERVICES[kind])
    _execute(kind, {"postgresql": f"CREATE SCHEMA {name}", "mariadb": f"CREATE DATABASE {name} CHARACTER SET latin1"})
    try:
        yield alias
    finally:
        connections[alias].close()
        _execute(kind, {"postgresql": f"DROP SCHEMA {name} CASCADE", "mariadb": f"DROP DATABASE {name}"})
        if kind == "sqlite":
            for ending in ("", "-wal", "-shm"):
                Path(connections[alias].settings_dict["NAME"] + ending).unlink(missing_ok=True)


@contextmanager
def django_store(kind, server):
    """Yield the Django store on *server*, a `DatabaseServer` of *kind*; its alias refers to that server meanwhile."""
    from tests.support.django import ready as django_ready  # noqa: F401, I001 - imported for its effect
    from django.core.management import call_command
    from django.db import connections
    from tests.support.django.threads import sharing

    from gatepass_django.refresh import DjangoStore

    here = connections[kind].settings_dict
    before = dict(here)
    connections[kind].close()
    here.update(HOST="127.0.0.1", PORT=server.port, USER=server.user, PASSWORD="", NAME=server.name)
    try:
        if kind == "postgresql":
            server.execute(f"CREATE SCHEMA {own_name()}", at=server.name)
        call_command("migrate", "gatepass_refresh", database=kind, verbosity=0)
        with sharing(DjangoStore(using=kind)) as shared:
            yield shared
    finally:
        connections[kind].close()
        here.update(before)


def _execute(kind, statements):
    place = _place(_SERVICES[kind]) if kind in _SERVICES else {}
    named = {
        "host": place.get("HOST"),
        "port": place.get("PORT"),
        "user": place.get("USER"),
        "password": place.get("PASSWORD"),
    }
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(dbname=place["NAME"], autocommit=True, **named) as connection:
            connection.execute(statements[kind])
    elif kind == "mariadb":
        import pymysql

        with pymysql.connect(database=place["NAME"], autocommit=True, **named) as connection:
            connection.cursor().execute(statements[kind])


def _place(service):
    url = urlsplit(address(service))
    return {
        "HOST": url.hostname,
        "PORT": url.port or {"POSTGRES": 5432, "MARIADB": 3306}[service],
        "NAME": url.path.lstrip("/"),
        "USER": unquote(url.username or "root"),
        "PASSWORD": unquote(url.password or ""),
    }
