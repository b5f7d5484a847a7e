"""The verdict of the environment audit on the report of pip-audit."""

import tomllib

from tests.support.audit import IGNORED, pins, verdict

CLEAN = {"name": "pyjwt", "version": "2.15.0", "vulns": []}
FOUND = {
    "name": "python-multipart",
    "version": "0.0.30",
    "vulns": [
        {
            "id": "PYSEC-2026-3040",
            "fix_versions": ["0.0.31"],
            "aliases": ["CVE-2026-53540", "GHSA-v9pg-7xvm-68hf"],
            "description": "python-multipart: Negative Content-Length in parse_form buffers the entire body in memory",
        }
    ],
}
UNKNOWN = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.3.3)"}


def verdict_on(*dependencies, required=False):
    return verdict({"dependencies": list(dependencies), "fixes": []}, required=required)


def test_every_lower_bound_is_audited(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    bounds = {line.replace(">=", "==") for line in required if not line.startswith("gatepass[")}

    assert bounds == set(pins((repository / "tox.ini").read_text(encoding="utf-8")))


def test_bounds_without_advisories_pass():
    assert verdict_on(CLEAN, CLEAN) == (0, ["no advisories on 2 lower bounds"])


def test_one_bound_with_an_advisory_fails_and_names_it_and_the_fixed_version():
    status, lines = verdict_on(CLEAN, FOUND)

    assert status == 1
    assert lines == ["python-multipart 0.0.30: PYSEC-2026-3040, CVE-2026-53540, GHSA-v9pg-7xvm-68hf, mended in 0.0.31"]


def test_an_advisory_without_a_fixed_version_fails():
    assert verdict_on({**FOUND, "vulns": [{**FOUND["vulns"][0], "fix_versions": []}]})[1][0].endswith(
        "mended in no version"
    )


def test_one_bound_that_was_not_audited_fails():
    status, lines = verdict_on(CLEAN, UNKNOWN)

    assert status == 1
    assert lines == [f"click: not audited: {UNKNOWN['skip_reason']}"]


def test_an_index_without_advisories_is_reported_and_passes():
    assert verdict_on(UNKNOWN, UNKNOWN) == (
        0,
        ["NOT AUDITED: this package index has no advisories, on none of 2 packages"],
    )


def test_an_index_without_advisories_fails_if_advisories_are_required():
    assert verdict_on(UNKNOWN, UNKNOWN, required=True)[0] == 1


def test_an_ignored_advisory_has_a_reason():
    assert all(reason.strip() for reason in IGNORED.values())
