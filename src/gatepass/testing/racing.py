"""Races: the same call from many threads, processes or forks at the same time."""

from __future__ import annotations

import multiprocessing
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.synchronize import Barrier
from typing import Any, Final

__all__ = ["in_forks", "in_processes", "in_threads", "rounds"]

_TIMEOUT: Final = 120.0


def rounds() -> int:
    """Return how often a race is run: `GATEPASS_ROUNDS`, or 5."""
    return int(os.environ.get("GATEPASS_ROUNDS", "5"))


def in_threads(count: int, runs: int, call: Callable[[int, int], Any]) -> list[list[Any]]:
    """Call `call(run, number)` in *count* threads at once, *runs* times. Return the results of each run."""
    start = threading.Barrier(count)

    def racer(number: int) -> list[Any]:
        results: list[Any] = []
        try:
            for run in range(runs):
                start.wait(_TIMEOUT)
                results.append(call(run, number))
        except BaseException:
            start.abort()
            raise
        return results

    with ThreadPoolExecutor(count) as pool:
        racers = [pool.submit(racer, number) for number in range(count)]
        return _by_run([future.exception() or future.result() for future in racers])


def in_processes(
    count: int, runs: int, reopen: Callable[[], Any], call: Callable[[Any, int, int], Any]
) -> list[list[Any]]:
    """Call `call(store, run, number)` in *count* fresh processes at once, each with a store from *reopen*.

    They have the environment variables and the working directory of this one. Where there is a fork server, they are
    forks of it, so that the modules of *reopen* and *call* are imported once.
    """
    reopen_here = partial(_reopen_with, dict(os.environ), reopen)
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return _in_children("spawn", count, runs, reopen_here, call)
    multiprocessing.set_forkserver_preload([__name__, _module_of(reopen), _module_of(call)])
    return _in_children("forkserver", count, runs, reopen_here, call)


def _reopen_with(environment: dict[str, str], reopen: Callable[[], Any]) -> Any:
    os.environ.clear()  # a fork server has the variables of the moment when it was started
    os.environ.update(environment)
    return reopen()


def _module_of(call: Any) -> str:
    """Return the name of the module that a child imports for *call*, a function, a class or a `partial` of one."""
    function: Any = getattr(call, "func", call)
    return str(getattr(function, "__module__", __name__))


def in_forks(count: int, runs: int, store: Any, call: Callable[[Any, int, int], Any]) -> list[list[Any]]:
    """Call `call(store, run, number)` in *count* forks of this process at once, with the inherited *store*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the forks do not need
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
    results = _collect_results(racers, timeout=_TIMEOUT + runs)
    for process, ours in racers:
        process.join(_TIMEOUT)
        process.close()
        ours.close()
    return _by_run(results)


def _collect_results(racers: Sequence[tuple[Any, Connection]], *, timeout: float) -> list[Any]:
    """Return the result of each racer. If one dies, terminate the others, which would wait for it at the barrier."""
    results: list[Any] = [None] * len(racers)
    pending = {ours: number for number, (_, ours) in enumerate(racers)}
    while pending:
        ready: list[Any] = wait(list(pending), timeout)
        if not ready:
            return [RuntimeError("a racing process hangs") for _ in _terminate(racers)]
        for ours in ready:
            number = pending.pop(ours)
            try:
                results[number] = racers[number][1].recv()
            except EOFError:
                results[number] = RuntimeError("a racing process died")
                _terminate(racers)
    return results


def _terminate(racers: Sequence[tuple[Any, Connection]]) -> Sequence[tuple[Any, Connection]]:
    for process, _ in racers:
        process.terminate()
    return racers


def _racer(
    parent: Connection, start: Barrier, place: tuple[int, int], reopen: Callable[[], Any], call: Callable[..., Any]
) -> None:
    number, runs = place
    try:
        store = reopen()
        results: list[Any] = []
        for run in range(runs):
            start.wait(_TIMEOUT)
            results.append(call(store, run, number))
    except BaseException as error:  # noqa: BLE001 - sent to the test process
        start.abort()
        parent.send(RuntimeError(f"{type(error).__name__}: {error}"))
    else:
        parent.send(results)
        close = getattr(store, "close", None)
        if close is not None:
            close()


def _by_run(results: Sequence[Any]) -> list[list[Any]]:
    failures = [one for one in results if isinstance(one, BaseException)]
    for failure in failures:
        if "BrokenBarrier" not in repr(failure):  # raise the first failure, not the barriers that it broke
            raise failure
    if failures:
        raise failures[0]
    return [list(run) for run in zip(*results, strict=True)]
