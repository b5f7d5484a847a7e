"""Free ports for servers: two concurrent test processes never get the same port."""

import secrets
import socket

_BELOW_EPHEMERAL = range(10_000, 20_000)
"""Below the ports of outgoing connections, so that none of them takes the port while a server restarts."""
_kept: list[socket.socket] = []
"""A datagram socket on each returned port: while this process runs, no other process can bind one there."""


def free_port() -> int:
    """Return a port without a listener on it and on the port 10,000 above it, which the nodes of Redis use.

    A process outside the tests may take it before the server does: a server that ends at once is started on another.
    """
    while True:
        port = secrets.choice(_BELOW_EPHEMERAL)
        claim = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as listener, socket.socket() as other:
            try:
                claim.bind(("127.0.0.1", port))
                listener.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                claim.close()
                continue
        _kept.append(claim)
        return port
