"""A key server on loopback that misbehaves on demand: raw sockets, one thread for each connection."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.support.event_loop import advance_time, advance_time_when_idle

PATIENCE = 60
"""The timeout after which a test counts as hanging, in seconds. No passing test takes that long."""
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it was received. Header names are in lower case."""

    path: str
    headers: dict[str, str]


class Exchange:
    """One connection, after its request was read."""

    def __init__(self, server: "KeyServer", connection: socket.socket, request: ReceivedRequest) -> None:
        self.server = server
        self.connection = connection
        self.request = request

    def send(self, octets: bytes) -> None:
        if self.server.closing.is_set():
            raise ConnectionAbortedError
        self.connection.sendall(octets)

    def wait_for(self, true: Callable[[], bool]) -> None:
        """Wait until *true* returns True. Raise `ConnectionAbortedError` if the server ends before."""
        if not until(lambda: self.server.closing.is_set() or true()) or self.server.closing.is_set():
            raise ConnectionAbortedError

    def hang(self) -> None:
        """Send nothing more until the server ends."""
        self.server.closing.wait()
        raise ConnectionAbortedError

    def reply(self, body: bytes, headers: Pairs = (), *, status: str = "200 OK", length: int | None = None) -> None:
        self.send(head(status, [("Content-Length", str(len(body) if length is None else length)), *headers]) + body)

    def reset(self) -> None:
        """Reset the connection."""
        linger_not_at_all = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not_at_all)
        self.connection.close()


Answer = Callable[[Exchange], None]


def head(status: str, headers: Pairs = ()) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class KeyServer:
    """Calls *answer*, which a test may replace, for each of `requests`. `received` counts octets."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.requests: list[ReceivedRequest] = []
        self.received = 0
        self.closing = threading.Event()
        self._tls = tls
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        self._address = self._listener.getsockname()[:2]
        self.port = self._address[1]
        self.origin = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"{self.origin}/jwks.json"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def close(self) -> None:
        self.closing.set()
        with suppress(OSError):  # wakes the accepting thread; the last connection may just have done so
            socket.create_connection(self._address).close()
        self._threads[0].join()  # there are no more connections or threads after this
        for connection in self._connections:
            with suppress(OSError):  # it has already ended
                connection.shutdown(socket.SHUT_RD)  # wakes a thread that waits for a request
        for thread in self._threads[1:]:
            thread.join()

    def _start(self, target: Callable[..., None], *given: Any) -> None:
        thread = threading.Thread(target=target, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with self._listener:
            while not self.closing.is_set():
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(PATIENCE)
            if self._tls is None:
                self._exchange(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._exchange(secured)

    def _exchange(self, connection: socket.socket) -> None:
        text = b""
        while b"\r\n\r\n" not in text:
            piece = connection.recv(65_536)
            if not piece:
                return
            text += piece
            self.received += len(piece)
        first, *lines = text.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
        fields = (line.partition(":") for line in lines)
        request = ReceivedRequest(first.split()[1], {name.lower(): value.strip() for name, _, value in fields})
        self.requests.append(request)
        self.answer(Exchange(self, connection, request))
        with suppress(OSError):  # so that the last octets arrive before the connection is closed
            connection.shutdown(socket.SHUT_WR)


@contextmanager
def serving(answer: Answer, **settings: Any) -> Iterator[KeyServer]:
    server = KeyServer(answer, **settings)
    try:
        yield server
    finally:
        server.close()


def document(value: Any, headers: Pairs = (), **more: Any) -> Answer:
    """Respond with the same JSON, or the same octets, each time."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda exchange: exchange.reply(body, headers, **more)


def hang(exchange: Exchange) -> None:
    exchange.hang()


def outlast(exchange: Exchange) -> None:
    """Send nothing until the client has timed out."""
    advance_time_when_idle(PATIENCE * 0.97)  # between the timeout of the client library and the deadline of the fetch
    exchange.hang()


def refuse(exchange: Exchange) -> None:
    exchange.reply(b"{}", status="500 Internal Server Error")


def after(seconds: float, answer: Answer) -> Answer:
    """Respond with *answer* after *seconds* on the client's clock; no real time passes."""

    def slow(exchange: Exchange) -> None:
        advance_time(seconds)
        answer(exchange)

    return slow


def once(true: Callable[[], bool], answer: Answer) -> Answer:
    """Respond with *answer* once *true* returns True."""

    def held_back(exchange: Exchange) -> None:
        exchange.wait_for(true)
        answer(exchange)

    return held_back


def by_path(**answers: Answer) -> Answer:
    """Respond by path, or with 404. A name is the path with `_` for each character that a name cannot have."""

    def chosen(exchange: Exchange) -> None:
        name = "".join(sign if sign.isalnum() else "_" for sign in exchange.request.path.strip("/"))
        answers.get(name, lambda exchange: exchange.reply(b"", status="404 Not Found"))(exchange)

    return chosen


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Return whether *true* returns True within *seconds*."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True
