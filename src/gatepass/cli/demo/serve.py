"""Serve one application of the demo, in a process of its own: `python -m gatepass.cli.demo.serve flask`.

The process prints its port to standard output and ends when its standard input ends, so it never outlives the demo.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from gatepass.cli.demo.servers import SERVER_NAMES


def _serve(framework: str) -> None:
    app: Any = importlib.import_module(f"gatepass.cli.demo.{framework}_app").app
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
        (_waitress if SERVER_NAMES[framework] == "waitress" else _uvicorn)(app, listening)


def _waitress(app: Any, listening: socket.socket) -> None:
    waitress: Any = importlib.import_module("waitress.server")  # it has no types
    with contextlib.closing(waitress.create_server(app, sockets=[listening])) as server:
        server.run()


def _uvicorn(app: Any, listening: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415 - Flask's process does without it

    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def _stop_at_end_of_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # not sys.stdin.read(), whose lock would outlive a server that fails
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    # A process that a background job starts inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logging.getLogger("gatepass").setLevel(logging.ERROR)  # the demo's table shows the refusals
    try:
        _serve(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(0)
