"""A wire to a database server that can lose an answer: the server hears the request and acts, the client hears nothing."""

import socket
import threading


class Wire:
    """A port before a server's. After `cut_after(first, ..., last)`, once messages that hold these octets have passed
    in this order, the answer to the last of them is dropped with the connection; the server has heard it all.
    """

    def __init__(self, host, port):
        self._target = (host, port)
        self._requests_to_come = []
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = []
        self._start(self._accept)

    def cut_after(self, *requests):
        self._requests_to_come = list(requests)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

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
            far = socket.create_connection(self._target)
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
                        self.cuts += 1
                        near.shutdown(socket.SHUT_RDWR)
                        return
                    near.sendall(octets)
                near.shutdown(socket.SHUT_WR)
            except OSError:
                pass
