"""Errors in imports and in tracebacks."""

import pytest

from gatepass import errors
from gatepass.errors import Forbidden, InsufficientScope, KeysUnavailable, refusal_in


@pytest.mark.parametrize("name", errors.__all__)
def test_a_traceback_names_an_error_by_its_import_name(name):
    kind = getattr(errors, name)

    assert f"{kind.__module__}.{kind.__qualname__}" == f"gatepass.errors.{name}"


SCOPE, ROLE, OUTAGE = InsufficientScope(("orders:read",)), Forbidden("roles"), KeysUnavailable()


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (SCOPE, SCOPE),
        (ExceptionGroup("tasks", [SCOPE, ROLE]), SCOPE),
        (ExceptionGroup("tasks", [ExceptionGroup("inner", [ROLE]), SCOPE]), ROLE),
        (ExceptionGroup("tasks", [SCOPE, ExceptionGroup("inner", [ROLE, OUTAGE])]), OUTAGE),
        (ExceptionGroup("tasks", [SCOPE, ExceptionGroup("inner", [ValueError()])]), None),
        (BaseExceptionGroup("tasks", [SCOPE, KeyboardInterrupt()]), None),
        (ValueError(), None),
        (None, None),
    ],
)
def test_an_exception_group_of_refusals_is_a_refusal_and_an_outage_takes_precedence(error, refusal):
    assert refusal_in(error) is refusal
