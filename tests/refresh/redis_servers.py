"""Redis servers of the tests' own, which may be stopped, killed and started again, and a wire that loses answers."""

import signal
import socket
import subprocess
import threading
import time

import pytest
from redis import Redis
from redis.exceptions import RedisError
from tests.refresh.services import bound, free_port, program


class RedisServer:
    """One `redis-server` that writes every change to disk before it answers."""

    def __init__(self, folder, *options, port=None):
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        folder.mkdir(exist_ok=True)
        self._command = [
            program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--logfile", "log", *options,
        ]  # fmt: skip
        self.start()

    def start(self):
        self._process = subprocess.Popen(bound(self._command))
        with self.client() as client:
            until = time.monotonic() + 20
            while True:
                try:
                    client.ping()
                    return
                except RedisError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(0.02)

    def client(self, **options):
        return Redis(port=self.port, socket_timeout=5, **options)

    def stop_the_clock(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait(20)


def cluster(folder, nodes=3):
    """Servers that share the slots among them, and know one another."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]
    servers = [RedisServer(folder / str(number), *options, port=_cluster_port()) for number in range(nodes)]
    edges = [16_384 * number // nodes for number in range(nodes + 1)]
    for server, first, end in zip(servers, edges, edges[1:], strict=False):
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
    until = time.monotonic() + 30
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


def _cluster_port():
    while (port := free_port()) > 50_000:  # the nodes talk to one another 10,000 above it
        pass
    return port


class LossyWire:
    """A port before a server's: everything passes, until `lose_next_answer` is called. Then a request arrives, its
    answer does not, and the connection ends.
    """

    def __init__(self, port):
        self._target = port
        self._lose = threading.Event()
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def lose_next_answer(self):
        self._lose.set()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self):
        carriers = []
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                break
            carriers.append(threading.Thread(target=self._carry, args=(near,)))
            carriers[-1].start()
        for carrier in carriers:
            carrier.join(10)

    def _carry(self, near):
        with near, socket.create_connection(("127.0.0.1", self._target)) as far:
            while request := near.recv(65_536):
                far.sendall(request)
                answer = far.recv(65_536)
                if self._lose.is_set():
                    self._lose.clear()
                    self.lost += 1
                    return
                near.sendall(answer)
