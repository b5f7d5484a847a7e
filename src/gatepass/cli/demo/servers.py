"""The demo's frameworks and their servers: started side by side on free loopback ports, stopped together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, Self, cast

from gatepass.errors import ConfigurationError

__all__ = ["FRAMEWORKS", "SERVER_NAMES", "Servers"]

FRAMEWORKS = {"flask": "Flask", "starlette": "Starlette", "fastapi": "FastAPI", "django": "Django"}
SERVER_NAMES = {"flask": "waitress", "starlette": "uvicorn", "fastapi": "uvicorn", "django": "uvicorn"}

_STOP_TIMEOUT = 5.0
"""Seconds that a server has to stop before it is killed."""


class Servers:
    """A context manager that runs the four servers with *settings* in their environment.

    *started* is called with the framework and the port of each server when it listens.
    """

    def __init__(self, settings: Mapping[str, str], started: Callable[[str, int], None]) -> None:
        self._environment = {**os.environ, **settings, "PYTHONUNBUFFERED": "1"}
        self._started = started
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            for framework in FRAMEWORKS:
                self._processes[framework] = self._start(framework)
            for framework, process in self._processes.items():
                self.ports[framework] = self._port_of(framework, process)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """Raise `ConfigurationError` if a server has ended."""
        for framework, process in self._processes.items():
            if process.poll() is not None:
                raise ConfigurationError(f"the server of {FRAMEWORKS[framework]} ended unexpectedly")

    def _start(self, framework: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "gatepass.cli.demo.serve", framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches only the demo, which then stops the servers
        )

    def _port_of(self, framework: str, process: subprocess.Popen[str]) -> int:
        line = cast("IO[str]", process.stdout).readline()
        if not line.strip().isdecimal():
            raise ConfigurationError(f"the server of {FRAMEWORKS[framework]} did not start; its output is above")
        self._started(framework, int(line))
        return int(line)

    def _stop(self) -> None:
        for process in self._processes.values():
            cast("IO[str]", process.stdin).close()
        for process in self._processes.values():
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            cast("IO[str]", process.stdout).close()
