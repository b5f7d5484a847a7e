"""Group commit: concurrent writes of many threads share one transaction and one wait for the disk.

The first thread commits its own write. While it waits for the disk, other threads queue, and one of them then commits
for all in the queue. Group commit has no thread of its own and costs a single writer almost no time.
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
        self.wake = threading.Lock()  # not an Event: an interrupted thread may keep an Event's own lock
        self.wake.acquire()
        self.batch: list[_Job] = []
        """The jobs that this job's thread has begun to commit; *outcomes* are their outcomes, in order."""
        self.outcomes: Sequence[Any] = ()

    def resume(self) -> None:
        """Let the job's thread continue, now or when it begins to wait. A second call has no effect."""
        with suppress(RuntimeError):
            self.wake.release()

    def settle(self) -> None:
        """Give each job of the batch its outcome."""
        for one, outcome in zip(self.batch, self.outcomes, strict=True):
            one.outcome, one.done = outcome, True
            one.resume()


@final
class GroupCommit:
    """A queue of work for *commit*, which takes a list of work and returns the list of its outcomes.

    An outcome that is an exception is raised in the thread that submitted the work. An exception that *commit* itself
    raises is raised in every thread of the list; *commit* must then have changed nothing. A thread that is interrupted,
    at any point, leaves the next commit to the next thread.
    """

    __slots__ = ("_commit", "_leader", "_lock", "_waiting")

    def __init__(self, commit: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []
        self._leader: _Job | None = None
        """The job whose thread commits now or commits next."""

    def run(self, work: Any) -> Any:
        """Commit *work* and return its outcome, which is then durable."""
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
            job.batch = []  # it contains the job itself: break the reference cycle
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
        self._appoint_next(job)
        job.settle()

    def _appoint_next(self, job: _Job) -> None:
        with self._lock:
            if self._leader is job:
                self._leader = self._waiting[0] if self._waiting else None
            if self._leader is not None:
                self._leader.resume()  # perhaps again: a thread may be interrupted between these two lines

    def _abandon(self, job: _Job) -> None:
        """Withdraw the interrupted *job* if its commit has not begun, and settle the jobs it had begun to commit."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
        self._appoint_next(job)
        if len(job.outcomes) != len(job.batch):
            job.outcomes = [RuntimeError(_INTERRUPTED)] * len(job.batch)
        job.settle()
