"""Send raw HTTP requests to a real server, and read the bytes that come back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.adapters.contract import EXPIRED, NO_CREDENTIALS, ROWS, SENTINEL, TWO_TOKENS, Golden
from tests.support.adapter_tokens import token


@dataclass(frozen=True)
class RawServer:
    """A server on loopback that gets raw requests."""

    port: int

    def exchange(self, *lines: str, target: str = "/protected", method: str = "GET") -> tuple[int, list[str], bytes]:
        """Return status, header lines as received, and body; (0, [], b"") if the server closed the connection."""
        head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *lines, "", ""))
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as connection:
            connection.sendall(head.encode("latin-1"))
            received = b""
            while chunk := connection.recv(65_536):
                received += chunk
        if not received:
            return 0, [], b""
        head_bytes, _, body = received.partition(b"\r\n\r\n")
        status_line, *headers = head_bytes.decode("latin-1").split("\r\n")
        return int(status_line.split()[1]), headers, body


@contextlib.contextmanager
def waitress_on_loopback(app: Any) -> Iterator[RawServer]:
    """Serve *app* with waitress. Its own thread closes it: another thread would close a socket that `select` uses."""
    from waitress.server import create_server

    server = create_server(app, listen="127.0.0.1:0", threads=2, clear_untrusted_proxy_headers=True)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield RawServer(int(server.effective_port))
    finally:
        server.trigger.pull_trigger(server.close)
        thread.join(120)
        assert not thread.is_alive()


def values(headers: list[str], name: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in headers if line.lower().startswith(f"{name}:")]


def same(answer: tuple[int, list[str], bytes], golden: Golden) -> None:
    status, challenge, body = golden
    got, headers, octets = answer
    assert (got, octets) == (status, body.encode())
    assert values(headers, "www-authenticate") == [challenge]
    assert values(headers, "cache-control") == ["no-store"]
    assert values(headers, "content-type") == ["application/problem+json"]
    assert values(headers, "content-length") == [str(len(octets))]


def check_raw_requests(server: RawServer) -> None:
    """Check the responses to requests that no client library sends: repeated, folded and split lines, odd spellings."""
    good = f"Authorization: Bearer {token()}"
    status, _, body = server.exchange(good)
    assert (status, b"anna" in body) == (200, True)  # the body may be chunked
    same(server.exchange(), NO_CREDENTIALS)
    same(server.exchange(f"Authorization: Bearer {token(iat=1_000, exp=2_000)}"), EXPIRED)

    same(server.exchange(good, good), TWO_TOKENS)
    same(server.exchange("Authorization: Basic YW5uYQ==", good), TWO_TOKENS)
    same(server.exchange(good, "authorization: DPoP abc"), TWO_TOKENS)

    for row in ("3 no token", "3 two words", "5 one segment"):
        (line,), golden = ROWS[row][0](), ROWS[row][1]
        same(server.exchange(": ".join(line)), golden)

    # Header values that try to inject lines or a second response into ours.
    for smuggled in (
        f"Authorization: Bearer {SENTINEL}\r\n X-Injected: {SENTINEL}",
        f"Authorization: Bearer {SENTINEL}%0d%0aX-Injected:{SENTINEL}",
        f"Authorization: Bearer {SENTINEL}\rX-Injected: {SENTINEL}",
        f"Authorization: Bearer {SENTINEL}\nX-Injected: {SENTINEL}",
        f"Authorization: Bearer {SENTINEL}\x00",
        f"Authorization: Bearer {SENTINEL}\x85X-Injected: {SENTINEL}",
    ):
        status, headers, _ = server.exchange(smuggled)
        assert status in {0, 400, 401}
        assert values(headers, "x-injected") == []
        if status == 401:
            assert SENTINEL not in "".join(headers)

    # HEAD: the headers of GET, and no body.
    status, headers, body = server.exchange(method="HEAD")
    assert (status, body) == (401, b"")
    assert values(headers, "content-length") == [str(len(NO_CREDENTIALS[2]))]

    # Paths that a proxy, the framework and we might parse differently.
    for target in ("/healthz", "/healthz?x", "/%68ealthz"):
        assert server.exchange(target=target)[0] == 200
    for target in (
        "/healthz/",
        "/healthz%2f..%2fprotected",
        "/healthz;/../protected",
        "/protected?/healthz",
    ):
        assert server.exchange(target=target)[0] == 401
