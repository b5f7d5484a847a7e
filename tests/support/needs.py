"""Requirements that a machine may lack, and how to meet them: the reasons of skipped tests, counted after a run."""

import os
from typing import NamedTuple, NoReturn

import pytest

_MARK = "needs "


class Need(NamedTuple):
    """A requirement: *how* to meet it, and the environment variable that turns a skip into a failure."""

    how: str
    demanded_by: str = ""


SERVICES, INTEROP, EXTRAS = "GATEPASS_REQUIRE_SERVICES", "GATEPASS_REQUIRE_INTEROP", "GATEPASS_REQUIRE_EXTRAS"
LINT = "GATEPASS_REQUIRE_LINT"

NEEDS = {
    "PostgreSQL": Need("start one as CONTRIBUTING.md says, or set GATEPASS_TEST_POSTGRES_URL", SERVICES),
    "MariaDB": Need("start one as CONTRIBUTING.md says, or set GATEPASS_TEST_MARIADB_URL", SERVICES),
    "Redis": Need("start one as CONTRIBUTING.md says, or set GATEPASS_TEST_REDIS_URL", SERVICES),
    "PostgreSQL's programs": Need("apt-get install postgresql", SERVICES),
    "MariaDB's programs": Need("apt-get install mariadb-server", SERVICES),
    "Redis's programs": Need("apt-get install redis-server", SERVICES),
    "Node.js": Need("install Node.js 20 or newer, with npm and a registry that it can reach", INTEROP),
    "Rust": Need("apt-get install cargo gcc librust-jsonwebtoken-dev", INTEROP),
    "curl": Need("apt-get install curl", INTEROP),
    "Wycheproof's JOSE files": Need("set GATEPASS_WYCHEPROOF to the testvectors_v1 of a copy of C2SP/wycheproof"),
    "the built wheel": Need("run the tests by tox", EXTRAS),
    "every extra and group": Need("run the tests by tox", EXTRAS),
    "codespell": Need("run tox run -e lint", LINT),
    "a git checkout": Need("clone the repository"),
    "root": Need("run the tests as root"),
    "a disk that can be mounted": Need("run the tests as root, outside a container"),
    "POSIX": Need("run the tests on Linux or macOS"),
    "IPv6": Need("give this machine IPv6 on loopback"),
}


def missing(need: str, sentence: str = "") -> NoReturn:
    """Skip the test because *need*, a name in `NEEDS`, is missing; fail if the environment requires it."""
    reason = reason_for(need, sentence)
    variable = NEEDS[need].demanded_by
    if variable and os.environ.get(variable) == "1":
        pytest.fail(f"{variable}=1, but this test {reason}; {NEEDS[need].how}", pytrace=False)
    pytest.skip(reason)


def reason_for(need: str, sentence: str = "") -> str:
    """Return the reason of a skip because *need* is missing, for `pytest.mark.skipif`."""
    assert need in NEEDS, need
    return f"{_MARK}{need}{': ' if sentence else ''}{sentence}"


def need_in(reason: str) -> str | None:
    """Return the name in the *reason* of a skip, or None for an impossible case, such as the port of a file."""
    text = reason.removeprefix("Skipped: ")
    if text.startswith("could not import"):  # the text of pytest.importorskip
        return "every extra and group"
    name = text.removeprefix(_MARK).partition(":")[0]
    return name if text.startswith(_MARK) and name in NEEDS else None
