"""Group commit: what many threads want to write at one moment becomes one transaction, and one wait for the disk.

The first thread commits for itself; while it waits for the disk the others queue up, and one of them then commits for
all that wait. No thread of its own, and a lone writer pays next to nothing.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, final

__all__ = ["GroupCommit"]


_INTERRUPTED: Final = "the thread that was to commit this was interrupted"


class _Job:
    __slots__ = ("batch", "done", "outcome", "outcomes", "wake", "work")

    def __init__(self, work: Any) -> None:
        self.work = work
        self.outcome: Any = None
        self.done = False
        self.wake = threading.Lock()  # not an Event, whose own lock an interrupted thread may keep
        self.wake.acquire()
        self.batch: list[_Job] = []
        """What the job's thread has begun to commit, and with which *outcomes*."""
        self.outcomes: Sequence[Any] = ()

    def go_on(self) -> None:
        """Let the job's thread go on, now or when it comes to wait. Called again, it changes nothing."""
        with suppress(RuntimeError):
            self.wake.release()

    def settle(self) -> None:
        """Give each job of the batch its outcome."""
        for one, outcome in zip(self.batch, self.outcomes, strict=True):
            one.outcome, one.done = outcome, True
            one.go_on()


@final
class GroupCommit:
    """Runs pieces of work through *commit*, which takes a list of them and answers with the list of their outcomes.

    An outcome that is an exception is raised in the thread that brought the work. What *commit* itself raises is raised
    in every thread of the list: it must then have done nothing. A thread that is interrupted, at any point, leaves
    the turn to the next.
    """

    __slots__ = ("_commit", "_leader", "_lock", "_waiting")

    def __init__(self, commit: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []
        self._leader: _Job | None = None
        """Whose thread commits, or was told to commit next."""

    def run(self, work: Any) -> Any:
        """The outcome of *work*, which is durable when this returns."""
        job = _Job(work)
        try:
            with self._lock:
                self._waiting.append(job)
                if self._leader is None:
                    self._leader = job
                leads = self._leader is job
            if not leads:
                job.wake.acquire()
            if not job.done:
                self._lead(job)
        except BaseException:
            self._abandon(job)
            raise
        finally:
            job.batch = []  # it holds the job itself, which would wait for the collector of cycles
        if isinstance(job.outcome, BaseException):
            raise copy.copy(job.outcome) from job.outcome  # one exception must not be raised by several threads
        return job.outcome

    def _lead(self, job: _Job) -> None:
        with self._lock:
            job.batch, self._waiting = self._waiting, []
        job.outcomes = [RuntimeError(_INTERRUPTED)] * len(job.batch)
        try:
            job.outcomes = self._commit([one.work for one in job.batch])
        except Exception as error:  # noqa: BLE001 - it is raised in every thread of the batch
            job.outcomes = [error] * len(job.batch)
        self._hand_over(job)
        job.settle()

    def _hand_over(self, job: _Job) -> None:
        with self._lock:
            if self._leader is job:
                self._leader = self._waiting[0] if self._waiting else None
            if self._leader is not None:
                self._leader.go_on()  # perhaps again: a thread may be interrupted between these two lines

    def _abandon(self, job: _Job) -> None:
        """The thread of *job* was interrupted: withdraw what has not begun, and settle what it had begun to commit."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
        self._hand_over(job)
        if len(job.outcomes) != len(job.batch):
            job.outcomes = [RuntimeError(_INTERRUPTED)] * len(job.batch)
        job.settle()
