"""Group commit: what many threads want to write at one moment becomes one transaction, and one wait for the disk.

The first thread commits for itself; while it waits for the disk the others queue up, and one of them then commits for
all that wait. No thread of its own, and a lone writer pays next to nothing.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, final

__all__ = ["GroupCommit"]


class _Job:
    __slots__ = ("done", "outcome", "wake", "work")

    def __init__(self, work: Any) -> None:
        self.work = work
        self.outcome: Any = None
        self.done = False
        self.wake = threading.Event()


@final
class GroupCommit:
    """Runs pieces of work through *commit*, which takes a list of them and answers with the list of their outcomes.

    An outcome that is an exception is raised to whom it concerns. What *commit* itself raises goes to everybody in the
    list: it must then have done nothing.
    """

    __slots__ = ("_busy", "_commit", "_leader", "_lock", "_waiting")

    def __init__(self, commit: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []
        self._busy = False
        self._leader: _Job | None = None
        """The waiting thread that was told to commit next and has not begun yet."""

    def run(self, work: Any) -> Any:
        """The outcome of *work*, which is durable when this returns."""
        job = _Job(work)
        with self._lock:
            self._waiting.append(job)
            leads = not self._busy
            self._busy = True
        try:
            if not leads:
                job.wake.wait()
            if not job.done:
                self._lead()
        except BaseException:
            self._abandon(job)
            raise
        if isinstance(job.outcome, BaseException):
            raise copy.copy(job.outcome) from job.outcome  # one exception must not be raised by several threads
        return job.outcome

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting, self._leader = self._waiting, [], None
        outcomes: Sequence[Any] = [RuntimeError("the thread that was to commit this was interrupted")] * len(batch)
        try:
            outcomes = self._commit([job.work for job in batch])
        except Exception as error:  # noqa: BLE001 - it is raised to everybody whom it concerns
            outcomes = [error] * len(batch)
        finally:
            self._hand_over()
            for job, outcome in zip(batch, outcomes, strict=True):
                job.outcome, job.done = outcome, True
                job.wake.set()

    def _hand_over(self) -> None:
        with self._lock:
            if self._waiting:
                self._leader = self._waiting[0]
                self._leader.wake.set()
            else:
                self._busy = False

    def _abandon(self, job: _Job) -> None:
        """A thread was interrupted as it waited: its work is withdrawn if it has not begun, and nobody waits for it."""
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
            leads = self._leader is job
            if leads:
                self._leader = None
        if leads:
            self._hand_over()
