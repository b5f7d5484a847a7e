"""Races: the same call by many threads, processes or forks at one moment."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from typing import Any, Final

__all__ = ["in_forks", "in_processes", "in_threads", "rounds"]

_TIMEOUT: Final = 120.0


def rounds() -> int:
    """How often a race is run: `GATEPASS_ROUNDS`, or 5."""
    return int(os.environ.get("GATEPASS_ROUNDS", "5"))


def in_threads(count: int, runs: int, call: Callable[[int, int], Any]) -> list[list[Any]]:
    """`call(run, number)` by *count* threads at once, *runs* times; the answers of each run."""
    start = threading.Barrier(count)

    def racer(number: int) -> list[Any]:
        answers: list[Any] = []
        try:
            for run in range(runs):
                start.wait(_TIMEOUT)
                answers.append(call(run, number))
        except BaseException:
            start.abort()
            raise
        return answers

    with ThreadPoolExecutor(count) as pool:
        racers = [pool.submit(racer, number) for number in range(count)]
        return _by_run([future.exception() or future.result() for future in racers])


def in_processes(
    count: int, runs: int, reopen: Callable[[], Any], call: Callable[[Any, int, int], Any]
) -> list[list[Any]]:
    """`call(store, run, number)` by *count* fresh processes at once, each with a store from *reopen*."""
    return _in_children("spawn", count, runs, reopen, call)


def in_forks(count: int, runs: int, store: Any, call: Callable[[Any, int, int], Any]) -> list[list[Any]]:
    """`call(store, run, number)` by *count* forks of this process at once, with the very *store* that it holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a test runner may have threads; the forks need none
        return _in_children("fork", count, runs, lambda: store, call)


def _in_children(
    method: str, count: int, runs: int, reopen: Callable[[], Any], call: Callable[[Any, int, int], Any]
) -> list[list[Any]]:
    context: Any = multiprocessing.get_context(method)
    start = context.Barrier(count)
    racers: list[tuple[Any, Connection]] = []
    for number in range(count):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_racer, args=(theirs, start, (number, runs), reopen, call))
        process.start()
        theirs.close()
        racers.append((process, ours))
    answers = _collect_answers(racers, timeout=_TIMEOUT + runs)
    for process, ours in racers:
        process.join(_TIMEOUT)
        process.close()
        ours.close()
    return _by_run(answers)


def _collect_answers(racers: Sequence[tuple[Any, Connection]], *, timeout: float) -> list[Any]:
    """What each racer answers. One that dies takes the others with it: they would wait for it at the barrier."""
    answers: list[Any] = [None] * len(racers)
    pending = {ours: number for number, (_, ours) in enumerate(racers)}
    while pending:
        ready: list[Any] = wait(list(pending), timeout)
        if not ready:
            return [RuntimeError("a racing process hangs") for _ in _terminate(racers)]
        for ours in ready:
            number = pending.pop(ours)
            try:
                answers[number] = racers[number][1].recv()
            except EOFError:
                answers[number] = RuntimeError("a racing process died")
                _terminate(racers)
    return answers


def _terminate(racers: Sequence[tuple[Any, Connection]]) -> Sequence[tuple[Any, Connection]]:
    for process, _ in racers:
        process.terminate()
    return racers


def _racer(
    answer: Connection, start: Barrier, place: tuple[int, int], reopen: Callable[[], Any], call: Callable[..., Any]
) -> None:
    number, runs = place
    try:
        store = reopen()
        answers: list[Any] = []
        for run in range(runs):
            start.wait(_TIMEOUT)
            answers.append(call(store, run, number))
    except BaseException as error:  # noqa: BLE001 - it is told to the process that judges
        start.abort()
        answer.send(RuntimeError(f"{type(error).__name__}: {error}"))
    else:
        answer.send(answers)
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _by_run(answers: Sequence[Any]) -> list[list[Any]]:
    failures = [one for one in answers if isinstance(one, BaseException)]
    for failure in failures:
        if "BrokenBarrier" not in repr(failure):  # the racer that failed first, not those that it stopped
            raise failure
    if failures:
        raise failures[0]
    return [list(run) for run in zip(*answers, strict=True)]
