"""Run WebSocket handshakes without a server, and start ASGI servers on loopback."""

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tests.support.clients import Answer, Pairs, Request, asgi_scope

DENIAL = {"websocket.http.response": {}}
PATIENCE = 120
"""Timeout in seconds for a stalled server."""


@dataclass(frozen=True)
class Session:
    """The messages that an application sent to a WebSocket, in order."""

    sent: list[dict[str, Any]]
    crash: BaseException | None

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]

    @property
    def denial(self) -> Answer:
        """The HTTP response to the handshake, sent by the denial extension."""
        start, *rest = self.sent
        assert self.kinds == ["websocket.http.response.start", *["websocket.http.response.body"] * len(rest)]
        pairs = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        return Answer(start["status"], pairs, b"".join(message.get("body", b"") for message in rest))

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]


def websocket_scope(
    target: str, headers: Pairs = (), *, extensions: Any = DENIAL, scheme: str = "wss", **more: Any
) -> dict[str, Any]:
    scope = asgi_scope(Request("GET", target, headers, scheme=scheme, **more))
    del scope["method"]
    scope |= {"type": "websocket", "subprotocols": []}
    if extensions is not None:
        scope["extensions"] = extensions
    return scope


def websocket(app: Any, scope: dict[str, Any]) -> Session:
    """Run one handshake; if accepted, the client sends no message and disconnects when the application waits."""
    waiting = [{"type": "websocket.connect"}]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1005}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        asyncio.run(app(scope, receive, send))
    except Exception as crash:  # noqa: BLE001 - a server catches every exception
        return Session(sent, crash)
    return Session(sent, None)


@contextlib.contextmanager
def uvicorn_on_loopback(app: Any, *, lifespan: Any = "off") -> Iterator[int]:
    import uvicorn

    sockets: Any = "wsproto" if find_spec("wsproto") else "none"
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan=lifespan, ws=sockets))
    with listening() as (sock, port):
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()


@contextlib.contextmanager
def hypercorn_on_loopback(app: Any) -> Iterator[int]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.errorlog = None
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    with listening() as (sock, port):
        config.bind = [f"fd://{sock.detach()}"]  # hypercorn closes the socket that it is given

        def run() -> None:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE)
            assert not thread.is_alive()


def exchange_together(port: int, requests: Sequence[Request]) -> list[bytes]:
    """Return the bodies of the responses to *requests*, which are sent together over one HTTP/2 connection."""
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import DataReceived, StreamEnded

    client = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    client.initiate_connection()
    bodies: dict[int, bytes] = {}
    for request in requests:
        stream = client.get_next_available_stream_id()
        bodies[stream] = b""
        pseudo = [(":method", request.method), (":path", request.target), (":scheme", "http"), (":authority", "api")]
        lines = [(name.lower(), value) for name, value in request.headers]
        client.send_headers(stream, [*pseudo, *lines], end_stream=True)
    open_streams = set(bodies)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        while open_streams:
            sock.sendall(client.data_to_send())
            received = sock.recv(65_536)
            assert received, "the server hung up"
            for event in client.receive_data(received):
                if isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                    client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    open_streams.discard(event.stream_id)
    return list(bodies.values())


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock, sock.getsockname()[1]


def exchange(port: int, head: str) -> Answer:
    """Send *head*, raw header lines, over a plain socket, and read the response to its last octet."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
        received = b""
        while not _is_whole(received):
            chunk = sock.recv(65_536)
            if not chunk:
                break
            received += chunk
    top, _, body = received.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return Answer(int(status.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs], body)


def handshake(target: str, *lines: str) -> str:
    key = base64.b64encode(b"sixteen octets!!").decode()
    return "\n".join(
        (
            f"GET {target} HTTP/1.1",
            "Host: api.example",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *lines,
        )
    )


def _is_whole(received: bytes) -> bool:
    top, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    if top.split()[1] == b"101":
        return True
    if b"transfer-encoding: chunked" in top.lower():
        return body.endswith(b"0\r\n\r\n")
    for line in top.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False
