"""Clients that call a WSGI or ASGI application directly.

They keep the order and the number of header lines. An uncaught exception of the application becomes a 500, as in
every server, and is stored in `crash`.
"""

import asyncio
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote, unquote_to_bytes

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request; *target* is the raw target of the request line, *mount* the prefix of the application."""

    method: str
    target: str
    headers: Pairs = ()
    body: bytes = b""
    scheme: str = "https"
    client: str = "203.0.113.9"
    mount: str = ""


@dataclass(frozen=True)
class Answer:
    """A response as it was sent, but with header names in lower case, as in HTTP/2."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    crash: BaseException | None = field(default=None, compare=False)

    def all(self, name: str) -> list[str]:
        return [value for other, value in self.headers if other == name.lower()]


class Client(Protocol):
    def send(self, method: str, target: str, headers: Pairs = (), body: bytes = b"", **more: str) -> Answer: ...

    def send_together(self, requests: Iterable[Request]) -> list[Answer]:
        """Send all requests concurrently, as far as the application allows."""
        ...


class WSGIClient:
    def __init__(self, app: Any) -> None:
        self.app = app

    def send(self, method: str, target: str, headers: Pairs = (), body: bytes = b"", **more: str) -> Answer:
        return self._call(Request(method, target, headers, body, **more))

    def send_together(self, requests: Iterable[Request]) -> list[Answer]:
        waiting = list(requests)
        with ThreadPoolExecutor(len(waiting)) as pool:
            return list(pool.map(self._call, waiting))

    def _call(self, request: Request) -> Answer:
        started: list[Any] = []
        try:
            chunks = self.app(wsgi_environ(request), lambda status, pairs, _exc=None: started.extend((status, pairs)))
            try:
                body = b"".join(chunks)
            finally:
                getattr(chunks, "close", lambda: None)()
        except Exception as crash:  # noqa: BLE001 - a server catches every exception
            return Answer(500, [], b"", crash)
        status, pairs = started[-2:]
        assert all(type(name) is str and type(value) is str for name, value in pairs)
        return Answer(int(status[:3]), [(name.lower(), value) for name, value in pairs], body)


def wsgi_environ(request: Request) -> dict[str, Any]:
    """Build the environ as wsgiref, Werkzeug, gunicorn and waitress do: PEP 3333, repeated headers joined by commas."""
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.mount,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "api.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "api.example",
        "REMOTE_ADDR": request.client,
        "CONTENT_LENGTH": "" if _says_its_length(request) or not request.body else str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if environ.get(key) else value
    return environ


def _says_its_length(request: Request) -> bool:
    return any(name.lower() == "content-length" for name, _ in request.headers)


class ASGIClient:
    def __init__(self, app: Any) -> None:
        self.app = app

    def send(self, method: str, target: str, headers: Pairs = (), body: bytes = b"", **more: str) -> Answer:
        return asyncio.run(self._call(Request(method, target, headers, body, **more)))

    def send_together(self, requests: Iterable[Request]) -> list[Answer]:
        async def all_of_them() -> list[Answer]:
            return await asyncio.gather(*(self._call(request) for request in requests))

        return asyncio.run(all_of_them())

    async def _call(self, request: Request) -> Answer:
        waiting = [{"type": "http.request", "body": request.body, "more_body": False}]
        answered = asyncio.Event()
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if waiting:
                return waiting.pop(0)
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()

        try:
            await self.app(asgi_scope(request), receive, send)
        except Exception as crash:  # noqa: BLE001 - a server catches every exception
            return Answer(500, [], b"", crash)
        start, *rest = sent
        pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], pairs, b"".join(message.get("body", b"") for message in rest))


def asgi_scope(request: Request) -> dict[str, Any]:
    """Build the scope as uvicorn does: `path` is decoded and includes the mount."""
    path, _, query = request.target.partition("?")
    headers = [("host", "api.example"), *request.headers]
    if request.body and not _says_its_length(request):
        headers.append(("content-length", str(len(request.body))))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.mount + unquote(path),
        "raw_path": (request.mount + path).encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": request.mount,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": (request.client, 50_000),
        "server": ("api.example", 443),
    }
