"""The benchmarks run, and update their page. No test checks a figure."""

import re
import subprocess
import sys

import pytest

pytest.importorskip("flask")
pytest.importorskip("django")
pytest.importorskip("starlette")


def run(repository, *options):
    command = [sys.executable, "-m", "benchmarks", *options, "--quick"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=480)


def test_the_benchmark_measures_every_job_and_updates_its_page_between_the_markers(repository, tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    done = run(repository, "--docs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    for name in (
        "| **gatepass** |",
        "| PyJWT |",
        "Flask HS256",
        "Django RS256",
        "Starlette HS256",
        "10,000 dots",
        "cache_ttl=",
    ):
        assert name in done.stdout
        assert name in text
    assert text.startswith("before\n<!-- measured: begin -->\n")
    assert "old" not in text.split()
    assert text.endswith("<!-- measured: end -->\nafter\n")
    assert (tmp_path / "benchmarks.svg").read_text().startswith("<svg ")


def test_the_benchmark_of_remote_keys_runs(repository):
    pytest.importorskip("httpx")
    command = [sys.executable, "-m", "benchmarks.remote_keys", "--quick"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=480)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ES256"] * 3 + ["RS256"] * 3


def test_two_checkouts_are_compared_by_paired_ratios(repository):
    pytest.importorskip("fastapi")
    done = run(repository, "compare", str(repository))
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^(\S+(?: \S+)?) +\d+\.\d{3}  \(\d+\.\d{3} to \d+\.\d{3}\)$", done.stdout, re.MULTILINE)
    assert len(rows) == len(done.stdout.splitlines())
    algorithms = ("HS256", "RS256", "ES256", "EdDSA", "PS256")
    assert {f"{job} {name}" for job in ("verify", "issue") for name in algorithms} <= set(rows)
    assert {"again HS256", "Flask", "Django", "Starlette", "FastAPI"} <= set(rows)


def test_a_folder_that_is_no_checkout_is_not_compared(repository, tmp_path):
    pytest.importorskip("fastapi")
    done = run(repository, "compare", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""


PARTS = ("rotation", "growth", "sessions", "upgrade", "checks")


def run_stores(repository, *options):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("redis")
    command = [sys.executable, "-m", "benchmarks", "stores", "--quick", "--seconds", "0.05", *options]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=480)


def test_the_stores_are_measured_beside_a_bare_compare_and_set(repository, tmp_path):
    page = tmp_path / "benchmarks.md"
    places = [f"<!-- stores {part}: begin -->\nold\n<!-- stores {part}: end -->\n" for part in PARTS]
    page.write_text("".join(["before\n", *places, "after\n"]))
    options = ["--sizes", "100,1000", "--docs", str(tmp_path), "--folder", str(tmp_path)]
    done = run_stores(repository, *options)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    for word in (
        "bare compare-and-set",
        "| memory (no disk) |",
        "| SQLite (synchronous FULL) |",
        "| 1,000 |",
        "among 1,000, times the first",
        "longest write",
        "round trips",
    ):
        assert word in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text.split()
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_without_markers_is_not_changed(repository, tmp_path):
    (tmp_path / "benchmarks.md").write_text("no place")
    done = run_stores(repository, "--parts", "checks", "--docs", str(tmp_path))
    assert done.returncode != 0
    assert (tmp_path / "benchmarks.md").read_text() == "no place"


@pytest.mark.parametrize("options", [["--parts", "nothing"], ["--sizes", "many"]])
def test_invalid_options_are_refused(repository, options):
    assert run_stores(repository, *options).returncode == 2
