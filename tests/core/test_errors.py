"""Errors as their users meet them: in an import and in a traceback."""

import pytest

from gatepass import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_a_traceback_names_an_error_by_the_name_that_one_imports(name):
    kind = getattr(errors, name)

    assert f"{kind.__module__}.{kind.__qualname__}" == f"gatepass.errors.{name}"
