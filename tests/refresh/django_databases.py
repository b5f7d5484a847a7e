"""Django's databases in the tests: a file of SQLite, a schema of PostgreSQL, a database of MariaDB; and stores on them.

They are made empty and migrated when a test asks, and the names travel to other processes in the environment.
"""

import os
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.refresh.services import address, running

_NAME = "GATEPASS_TEST_DJANGO_NAME"
ALIASES = {"sqlite": "default", "postgresql": "postgresql", "mariadb": "mariadb"}
_SERVICES = {"postgresql": "POSTGRES", "mariadb": "MARIADB"}


def databases():
    """The setting DATABASES. Nothing in it connects to anywhere."""
    name = os.environ.setdefault(_NAME, f"gatepass_django_{secrets.token_hex(6)}")
    try:
        import pymysql

        pymysql.install_as_MySQLdb()
    except ImportError:
        pass
    return {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(tempfile.gettempdir()) / f"{name}.sqlite3"),
            "OPTIONS": {"timeout": 30, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"},
        },
        "postgresql": {
            **_place("POSTGRES"),
            "ENGINE": "django.db.backends.postgresql",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"connect_timeout": 3, "options": f"-c search_path={name}", "application_name": name},
        },
        "mariadb": {
            **_place("MARIADB"),
            "ENGINE": "django.db.backends.mysql",
            "CONN_MAX_AGE": None,
            "NAME": name,
            "OPTIONS": {"connect_timeout": 3, "read_timeout": 30, "charset": "utf8mb4"},
        },
    }


def open_store(alias):
    """A store in this process, which may be a new one."""
    from tests.refresh import django_ready  # noqa: F401 - its import is what counts

    from gatepass_django.refresh import DjangoStore

    return DjangoStore(using=alias)


@contextmanager
def empty_database(kind):
    """The alias of an empty database, which is gone afterwards."""
    from django.db import connections

    alias = ALIASES[kind]
    name = os.environ[_NAME]
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
