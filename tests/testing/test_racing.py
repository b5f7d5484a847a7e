"""Races run in processes that differ from the test's only in their memory."""

import os
from pathlib import Path

import pytest

from gatepass.testing.racing import in_processes


def surroundings():
    return os.environ.get("GATEPASS_TEST_RACE"), Path.cwd(), os.getpid()


def surroundings_and_number(store, run, number):
    return (*store, run, number)


def fails(store, run, number):
    if number == 1:
        raise ValueError("a broken store")
    return number


@pytest.mark.parametrize("value", ["one", "two"])
def test_each_process_has_the_environment_and_the_directory_of_the_test(monkeypatch, tmp_path, value):
    monkeypatch.setenv("GATEPASS_TEST_RACE", value)
    monkeypatch.chdir(tmp_path)

    runs = in_processes(3, 2, surroundings, surroundings_and_number)

    assert [[result[3:] for result in run] for run in runs] == [[(0, 0), (0, 1), (0, 2)], [(1, 0), (1, 1), (1, 2)]]
    assert {result[:2] for run in runs for result in run} == {(value, tmp_path)}


def test_each_process_is_another_one():
    first, second = (
        {result[2] for run in in_processes(3, 1, surroundings, surroundings_and_number) for result in run}
        for _ in range(2)
    )

    assert len(first) == len(second) == 3
    assert os.getpid() not in first | second


def test_a_process_that_fails_fails_the_race():
    with pytest.raises(RuntimeError, match="ValueError: a broken store"):
        in_processes(3, 1, surroundings, fails)
