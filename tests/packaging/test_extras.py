"""Tests of an extra are skipped if it is not installed; where all are required, none may be missing."""

import os
from importlib.util import find_spec

import pytest
from tests.support.needs import reason_for

NEEDED_BY_TESTS = [
    "click", "daphne", "django", "fastapi", "flask", "gevent", "granian", "gunicorn", "httpx", "hypercorn", "joserfc", "psycopg", "pyuwsgi",
    "opentelemetry.instrumentation.fastapi", "opentelemetry.instrumentation.flask", "opentelemetry.instrumentation.starlette",
    "pycryptodome_test_vectors", "pymysql", "redis", "rest_framework", "rich", "sqlalchemy", "starlette", "trio", "uvicorn", "waitress", "wsproto",
]  # fmt: skip


@pytest.mark.parametrize("name", NEEDED_BY_TESTS)
@pytest.mark.skipif(
    not os.environ.get("GATEPASS_REQUIRE_EXTRAS"),
    reason=reason_for("every extra and group", "not all are expected here"),
)
def test_every_extra_is_installed_if_the_environment_requires_it(name):
    assert find_spec(name) is not None
