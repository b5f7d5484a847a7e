"""Start each server with the command that a project would run, and send raw requests to it."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.needs import missing
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Timeout in seconds for a stalled server or request."""

_WSGI, _ASGI = "tests.servers.wsgi:application", "tests.servers.asgi:application"
_GUNICORN = ["-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", "--log-level", "error"]
_UWSGI = [
    "-c", "import pyuwsgi; pyuwsgi.run()", "--http-socket", "127.0.0.1:{port}", "--module", _WSGI, "--master",
    "--processes", "{workers}", "--need-app", "--die-on-term", "--disable-logging",
]  # fmt: skip
_GRANIAN = ["-m", "granian", "--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}", "--no-access-log"]
COMMANDS = {
    "gunicorn": [*_GUNICORN, _WSGI],
    "gunicorn gthread": [*_GUNICORN, "--worker-class", "gthread", "--threads", "2", _WSGI],
    "gunicorn gevent": [*_GUNICORN, "--worker-class", "gevent", _WSGI],
    "gunicorn preload": [*_GUNICORN, "--preload", _WSGI],
    "waitress": ["-m", "waitress", "--listen", "127.0.0.1:{port}", _WSGI],
    "granian wsgi": [*_GRANIAN, "--interface", "wsgi", _WSGI],
    "uwsgi": _UWSGI,
    "uwsgi threads": [*_UWSGI, "--enable-threads", "--threads", "2", "--py-call-osafterfork"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--workers", "{workers}", "--log-level", "error", _ASGI],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--workers", "{workers}", _ASGI],
    "daphne": ["-m", "daphne", "--bind", "127.0.0.1", "--port", "{port}", "--verbosity", "0", _ASGI],
    "granian asgi": [*_GRANIAN, "--interface", "asgi", _ASGI],
}


def _module_of(name):
    return {"uwsgi": "pyuwsgi"}.get(name.split()[0], name.split()[0])


@contextlib.contextmanager
def serving(name, workers=1, **env):
    """Start the server *name*, and yield its port and process when it responds."""
    for module in (_module_of(name), *(["gevent"] if "gevent" in name else [])):
        if importlib.util.find_spec(module) is None:
            missing("every extra and group", f"{module} is not installed")
    port = free_port()
    command = [part.format(port=port, workers=workers) for part in COMMANDS[name]]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env},
        )  # fmt: skip
        try:
            _wait_for(process, port, log)
            yield port, process
        finally:
            _end(process)


def _wait_for(process, port, log):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if send(port, "GET /process HTTP/1.1")[0] == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    log.seek(0)
    raise AssertionError(log.read().decode())


def _end(process):
    """Kill the server and its workers, which are in its session. Tests of a graceful stop do that themselves."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def send(port, *lines, body=b"", timeout=PATIENCE):
    """Return status, header lines and body of the response to these lines; (0, [], b"") if the server closed."""
    head = [*lines, "Host: 127.0.0.1", "Connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall("\r\n".join(head).encode("latin-1") + body)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += chunk
    if not received:
        return 0, [], b""
    top, _, rest = received.partition(b"\r\n\r\n")
    status, *headers = top.decode("latin-1").split("\r\n")
    if any(line.lower() == "transfer-encoding: chunked" for line in headers):
        rest = _joined(rest)
    return int(status.split()[1]), headers, rest


def _joined(chunks):
    whole = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        whole += chunks[: int(size, 16)]
        chunks = chunks[int(size, 16) + 2 :]
    return whole


def post(port, target, form=""):
    body = form.encode()
    return send(
        port, f"POST {target} HTTP/1.1", "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}", body=body,
    )  # fmt: skip
