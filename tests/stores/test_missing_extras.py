"""A store whose library is missing names the extra that installs it."""

import subprocess
import sys

import pytest

from gatepass.adapter import extra_hint

REDIS = f"gatepass.stores.redis needs redis-py; install it with: {extra_hint('redis')}"
SQL = f"gatepass.stores.sql needs SQLAlchemy and a driver; install it with: {extra_hint('sql')}"


@pytest.mark.parametrize(
    ("library", "store", "sentence"),
    [("redis", "gatepass.stores.redis", REDIS), ("sqlalchemy", "gatepass.stores.sql", SQL)],
)
def test_a_store_without_its_library_names_the_extra(library, store, sentence):
    program = f"import sys; sys.modules[{library!r}] = None; import {store}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240)

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"ImportError: {sentence}"
