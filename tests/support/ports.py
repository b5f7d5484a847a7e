"""Free ports for servers: no two processes that run tests at once get the same."""

import secrets
import socket

_BELOW_WHAT_IS_DEALT_OUT = range(10_000, 20_000)
"""Below the range of ports for outgoing connections: none of those takes the port while a server restarts."""
_kept: list[socket.socket] = []
"""A datagram socket on each port that was given here: while this process lives, no other can have one there."""


def free_port() -> int:
    """A port without a listener, as is the one 10,000 above it, where nodes of Redis talk to one another.

    A process outside the tests may take it before its server does: a server that ends at once is started on another.
    """
    while True:
        port = secrets.choice(_BELOW_WHAT_IS_DEALT_OUT)
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
