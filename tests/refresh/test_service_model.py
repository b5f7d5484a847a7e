"""Families against a simple reference: for any sequence of operations, service and reference agree, on every store."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.support.databases.store_factories import EVERY_KIND, store_factory
from tests.support.family_model import Families

from gatepass.testing.racing import rounds

LONG_WALKS = {"memory": (100, 50), "sqlite": (40, 50)}
SHORT_WALKS = (6, 30)


@pytest.fixture(scope="module", params=EVERY_KIND)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def factory(kind, tmp_path_factory):
    with store_factory(kind, tmp_path_factory.mktemp("model")) as factory:
        yield factory


@pytest.mark.parametrize("grace", [0, 10])
def test_service_and_reference_agree(kind, factory, grace):
    """`GATEPASS_ROUNDS` sets the number of sequences, as for the races."""
    if kind not in LONG_WALKS and not grace:
        pytest.skip("the walk with a window is enough where a step costs more")
    examples, steps = LONG_WALKS.get(kind, SHORT_WALKS)
    run_state_machine_as_test(
        lambda: Families(factory.open_empty(), grace=grace, purges=kind != "redis"),
        settings=settings(
            max_examples=max(examples * rounds() // 5, 1),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
