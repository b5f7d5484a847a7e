"""A proxy to a database server that drops responses on demand, after the server has acted on the request."""

import socket
import threading
from contextlib import suppress


class LossyProxy:
    """A port in front of the server at *host* and *port*.

    After `drop_response_after(first, ..., last)`, once messages with these octets have passed in this order, the
    response to the last one is dropped with the connection; the server has received it all. `go_away_after` does the
    same, and then closes every connection until `come_back()`. `dropped` counts the dropped responses.
    """

    def __init__(self, host, port):
        self._target = (host, port)
        self._requests_to_come = []
        self._leaves = False
        self._away = threading.Event()
        self._open = []
        self.dropped = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._start(self._accept)

    def drop_next_response(self):
        """Drop the response to the next request of any kind."""
        self.drop_response_after(b"")

    def drop_response_after(self, *requests):
        self._leaves = False
        self._requests_to_come = list(requests)

    def go_away_after(self, *requests):
        self._leaves = True
        self._requests_to_come = list(requests)

    def come_back(self):
        self._away.clear()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()  # there are no further connections after this
        self._listener.close()
        self._hang_up()
        for thread in self._threads[1:]:
            thread.join(60)
            assert not thread.is_alive()

    def _hang_up(self):
        for one in list(self._open):
            with suppress(OSError):  # it has already ended
                one.shutdown(socket.SHUT_RDWR)

    def _start(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._away.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            deaf = threading.Event()
            self._start(self._requests, near, far, deaf)
            self._start(self._answers, near, far, deaf)

    def _requests(self, near, far, deaf):
        try:
            while octets := near.recv(65_536):
                to_come = self._requests_to_come
                if to_come and to_come[0] in octets:
                    if len(to_come) == 1:
                        deaf.set()
                    self._requests_to_come = to_come[1:]
                far.sendall(octets)
            far.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _answers(self, near, far, deaf):
        with near, far:
            try:
                while octets := far.recv(65_536):
                    if deaf.is_set():
                        self.dropped += 1  # before a client can notice and read it
                        if self._leaves:
                            self._away.set()
                            self._hang_up()
                        near.shutdown(socket.SHUT_RDWR)
                        return
                    near.sendall(octets)
                near.shutdown(socket.SHUT_WR)
            except OSError:
                pass
