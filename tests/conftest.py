"""Mark the tests that run in one environment only, configure Hypothesis, and print a table of what ran and what was
skipped.

No thread of the library may outlive its test, because its log records would appear in another test.
"""

import threading
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support.needs import NEEDS, need_in

# Show the values in failed assertions of inherited contracts, as in a test module.
pytest.register_assert_rewrite(
    "tests.adapters.contract",
    "tests.adapters.cookie_contract",
    "tests.http.jwks_contract",
    "tests.token_endpoint.contract",
    "tests.token_endpoint.cookie_contract",
    "tests.token_endpoint.coroutine_contract",
)

ONCE = (
    # end to end: their own servers, programs of the documentation, examples
    "tests/cli/test_demo.py",
    "tests/cli/test_examples.py",
    "tests/packaging/test_benchmarks.py",
    "tests/packaging/test_documents.py",
    # a tool of the lint environment
    "tests/packaging/test_words.py",
    # how costs grow with the size of hostile input
    "tests/invariants/test_linear_cost.py",
    # killed processes and servers, and a day of rotation
    "tests/keyring/test_timeline.py",
    "tests/keyring/test_changes.py",
    "tests/stores/test_durability.py",
    "tests/stores/test_killed_processes.py",
    "tests/stores/test_killed_servers.py",
    "tests/stores/test_raw_forks.py",
    "tests/stores/test_sqlite_faults.py",
    "tests/servers/",
    # libraries in other languages
    "tests/interop/",
    # random walks, guesses and old databases, whose results are the same on every Python
    "tests/keys/test_weak_secrets.py",
    "tests/refresh/test_service_clock_jumps.py",
    "tests/refresh/test_service_model.py",
    "tests/stores/test_version_1.py",
)
_RACING = ("tests/refresh/", "tests/revocation/", "tests/stores/", "tests/testing/", "tests/token_endpoint/")
_RACES = (
    "exactly_one_wins", "the_latest_wins", "escapes_a_revocation_of_all_by_rotating", "during_a_purge_stays",
    "follows_a_revocation", "again_undoes_no_rotation", "families_rotate_independently", "one_is_the_first",
    "count_each_family_once",
)  # fmt: skip
"""Suffixes of the names of tests that race threads and processes on a store. Most of these tests are in
`gatepass.testing`, whose users do not register our marks.
"""

UNTRACED = (
    # other programs and whole servers: what they reach of the sources, other tests reach too
    "tests/cli/test_examples.py",
    "tests/interop/",
    "tests/keyring/test_changes.py",
    "tests/packaging/test_benchmarks.py",
    "tests/packaging/test_documents.py",
    "tests/servers/",
    "tests/stores/test_durability.py",
    "tests/stores/test_killed_processes.py",
    "tests/stores/test_killed_servers.py",
    "tests/stores/test_raw_forks.py",
    "tests/stores/test_version_1.py",
    # processor time is compared, which a tracer multiplies by five
    "tests/invariants/test_linear_cost.py",
    # many signatures of others, random walks, guesses, and a day of rotation
    "tests/keyring/test_timeline.py",
    "tests/keys/test_weak_secrets.py",
    "tests/refresh/test_service_clock_jumps.py",
    "tests/refresh/test_service_model.py",
    "tests/vectors/",
)
"""Where coverage is not measured, neither in the test nor in the programs that it starts: it would show nothing more."""
_MANY_CASES = "tests/token_endpoint/test_endpoint"
"""The modules that run hundreds of cases on each framework: the cases are traced on the core alone."""

# No deadline and no health check of speed, because the machine may be busy. The tests also run again in one
# process, as mutation testing requires.
settings.register_profile(
    "gatepass", deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)
settings.load_profile("gatepass")

_THREADS = ("gatepass-jwks", "gatepass-keyring")
_PATIENCE = 120
"""Timeout for a thread, in seconds."""

_NOT_HERE = "no such case"
"""The cause of a skip that is the same on every machine, such as a file of another platform or a feature of one
database.
"""


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name in _THREADS:
            thread.join(_PATIENCE)
            assert not thread.is_alive(), f"{thread.name} outlives its test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run in the environment `py` only."""
    for item in items:
        name = item.name.partition("[")[0]
        is_race = item.nodeid.startswith(_RACING) and name.endswith(_RACES)
        if is_race:
            item.add_marker("race")
        costs = "costs_more_than_its_length" in item.name
        if is_race or costs or item.nodeid.startswith(ONCE):
            item.add_marker("once")
        is_case = item.nodeid.startswith(_MANY_CASES) and "[" in item.name and "::TestCore::" not in item.nodeid
        if is_case or costs or item.nodeid.startswith(UNTRACED):
            item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Start the programs of an untraced test without coverage's tracer; pytest-cov stops the one of the test itself."""
    with pytest.MonkeyPatch.context() as environment:
        if item.get_closest_marker("no_cover"):
            environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        return (yield)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table, unless only tests of one folder ran and none was skipped."""
    skipped = Counter(_cause(report) for report in terminalreporter.stats.get("skipped", []))
    counts = {outcome: Counter(map(_folder, terminalreporter.stats.get(outcome, []))) for outcome in _OUTCOMES}
    folders = sorted({folder for counted in counts.values() for folder in counted})
    if len(folders) < 2 and not skipped:
        return
    terminalreporter.section("what ran, and what did not")
    rows = [("tests", *_OUTCOMES)]
    rows += [(folder, *(f"{counts[outcome][folder]:,}" for outcome in _OUTCOMES)) for folder in folders]
    rows += [("all", *(f"{counts[outcome].total():,}" for outcome in _OUTCOMES))]
    for name, *numbers in rows:
        terminalreporter.line(f"{name:<12}" + "".join(f"{number:>10}" for number in numbers))
    if skipped:
        terminalreporter.line("")
        terminalreporter.line(f"{'skipped':>8}  {'missing':<26}  how to get it")
    for cause, count in skipped.most_common():
        how = NEEDS[cause].how if cause in NEEDS else "nothing to do: the case does not exist there"
        terminalreporter.line(f"{count:>8,}  {cause:<26}  {how}")


_OUTCOMES = ("passed", "failed", "skipped")


def _folder(report: Any) -> str:
    parts = Path(report.nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 else "tests"


def _cause(report: Any) -> str:
    return need_in(report.longrepr[2] if isinstance(report.longrepr, tuple) else "") or _NOT_HERE
