"""Start a server process, wait until it listens, send requests to it, and stop it."""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Timeout in seconds for a stalled server."""


@contextlib.contextmanager
def serving(arguments, port, env, cwd=REPOSITORY):
    """Start a process with these arguments, and yield it when it listens on *port*."""
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        env={**os.environ, **env},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until_listening(process, port)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def wait_until_listening(process, port):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(process.stdout.read().decode())
        if listens(port):
            return
        time.sleep(0.05)
    raise AssertionError("nothing listens")


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return False
    return True


def request(port, path, *, token=None, form=None, method=None, form_type="application/x-www-form-urlencoded"):
    """Send a request, and return status, headers and body. Without *method* it is a POST if it has a form."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if form is not None:
        headers["Content-Type"] = form_type
    try:
        connection.request(method or ("GET" if form is None else "POST"), path, body=form, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()
