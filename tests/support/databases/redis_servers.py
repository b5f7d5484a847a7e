"""Redis servers that a test may stop, kill and restart."""

import os
import re
import signal
import subprocess
import time

import pytest
from redis import Connection, ConnectionPool, Redis
from redis.exceptions import RedisError
from tests.support.databases.services import PATIENCE, bound, patient, program
from tests.support.ports import free_port


class RedisServer:
    """One `redis-server` that writes every change to disk before it responds. *address* is its plain URL, and *url* one
    with a long timeout.
    """

    def __init__(self, folder, *options):
        folder.mkdir(exist_ok=True)
        self._command = [
            program("redis-server"), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "yes",
            "--appendfsync", "always", "--logfile", "log", *options,
        ]  # fmt: skip
        self._log = folder / "log"
        for _ in range(5):  # another process may have taken the port meanwhile
            self.port = free_port()
            if self._serves():
                break
        else:
            raise AssertionError(self._log.read_text()[-2_000:])
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self.url = patient(self.address)

    def start(self):
        """Start the server and wait until it responds. It cannot start before the killed process has exited."""
        until = time.monotonic() + PATIENCE
        while not self._serves():
            assert time.monotonic() < until, self._log.read_text()[-2_000:]
            time.sleep(0.1)

    def _serves(self):
        """Return whether it responds, and no other server on its port."""
        self._process = subprocess.Popen(bound([*self._command, "--port", str(self.port)]))
        until = time.monotonic() + PATIENCE
        with self.client() as client:
            while self._process.poll() is None and time.monotonic() < until:
                try:
                    if client.info("server")["process_id"] == self._process.pid:
                        return True
                except RedisError:
                    pass
                time.sleep(0.02)
        self.kill()
        return False

    def client(self, **options):
        return Redis(port=self.port, socket_timeout=PATIENCE, **options)

    def pause(self):
        """Stop responding, with connections open."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def resume(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait(PATIENCE)


class Interrupted(Exception):
    """The end of a process before its next message to the server."""


class Wire:
    """A *client* whose messages to the server are recorded, each as the names of its commands.

    If *left* is set, the client is interrupted after that many more messages.
    """

    def __init__(self, port, **options):
        self.messages = []
        self.left = None
        wire = self

        class Watched(Connection):
            def send_packed_command(self, command, *args, **kwargs):
                wire._record(command)
                super().send_packed_command(command, *args, **kwargs)

        pool = ConnectionPool(connection_class=Watched, port=port, socket_timeout=PATIENCE, **options)
        self.client = Redis(connection_pool=pool)
        self.client.ping()  # connected now: only the store's own commands follow
        self.messages.clear()

    def _record(self, command):
        if self.left == 0:
            raise Interrupted
        if self.left is not None:
            self.left -= 1
        sent = command if isinstance(command, bytes) else b"".join(command)
        self.messages.append([name.decode() for name in re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n", sent)])


def cluster(folder, nodes=3):
    """Return servers that share the slots and form a cluster."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(PATIENCE * 1_000)]
    servers = [RedisServer(folder / str(number), *options) for number in range(nodes)]
    edges = [16_384 * number // nodes for number in range(nodes + 1)]
    for server, first, end in zip(servers, edges, edges[1:], strict=False):
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    until = time.monotonic() + 2 * PATIENCE
    while not all(_settled(server, nodes) for server in servers):
        if time.monotonic() > until:
            for server in servers:
                server.kill()
            pytest.fail("the cluster did not come together")
        time.sleep(0.05)
    return servers


def _settled(server, nodes):
    with server.client() as client:
        info = client.execute_command("CLUSTER INFO")
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes
