"""Empty SQL databases: a schema of PostgreSQL, a database of MariaDB, a file of SQLite."""

import secrets
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text
from tests.support.databases.services import AT_ONCE, PATIENCE, running

from gatepass.stores.sql import SQLStore


def connect(kind, place, **options):
    """Return an engine for the database at *place*, a URL that any process can use."""
    arguments = _arguments(kind) | options.pop("connect_args", {})
    return create_engine(
        place, connect_args=arguments, **({"pool_size": AT_ONCE, "max_overflow": 0, "pool_timeout": PATIENCE} | options)
    )


def connect_through(kind, place, proxy):
    """Do the same through *proxy*. PostgreSQL prepares no statement, because the proxy must see each one whole."""
    options = {"connect_args": {"prepare_threshold": None}} if kind == "postgresql" else {}
    return connect(kind, make_url(place).set(host="127.0.0.1", port=proxy.port), **options)


def open_store(kind, place):
    return SQLStore(connect(kind, place))


@contextmanager
def empty_database(kind, folder):
    """Yield the URL of an empty database, which is removed afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'sql.db'}"
        return
    name = f"gatepass_{secrets.token_hex(6)}"
    made, dropped, place = _POSTGRES if kind == "postgresql" else _MARIADB
    home = make_url(running("POSTGRES" if kind == "postgresql" else "MARIADB"))
    home = home.set(drivername="postgresql+psycopg" if kind == "postgresql" else "mysql+pymysql")
    admin = create_engine(home, connect_args=_arguments(kind), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(made.format(name)))
    try:
        yield place(home, name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(dropped.format(name)))
        admin.dispose()


def _arguments(kind):
    return {"timeout": PATIENCE} if kind == "sqlite" else {"connect_timeout": PATIENCE}


_POSTGRES = (
    "CREATE SCHEMA {}",
    "DROP SCHEMA {} CASCADE",
    lambda home, name: home.update_query_dict({"options": f"-c search_path={name}"}),
)
_MARIADB = (
    "CREATE DATABASE {} CHARACTER SET latin1 COLLATE latin1_swedish_ci",  # the tables must not depend on it
    "DROP DATABASE {}",
    lambda home, name: home.set(database=name),
)
