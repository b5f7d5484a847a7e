"""Clients that refresh their session on a service whose store fails, and check each response."""

import threading
import time
from contextlib import contextmanager, suppress

from gatepass.refresh.errors import StoreUnavailable


class Session:
    """A client that signs in and refreshes. It repeats a request after a 503, and uses no token twice otherwise."""

    def __init__(self, service, subject):
        self.service = service
        self.token = _signed_in(service, subject)
        self.spent = []
        self.refreshed = 0
        self.unavailable = 0
        self.wrong = None

    def refresh(self):
        """Refresh once. Record an error other than 503 in `wrong`."""
        try:
            successor = self.service.refresh(self.token).refresh_token
        except StoreUnavailable:
            self.unavailable += 1
        except Exception as error:  # noqa: BLE001 - it is what the test judges
            self.wrong = error
        else:
            self.spent.append(self.token)
            self.token = successor
            self.refreshed += 1

    def survives(self):
        """Return whether the session is alive: a refresh succeeded, and no response was wrong."""
        before = self.refreshed
        for _ in range(5):
            self.refresh()
            if self.refreshed > before or self.wrong is not None:
                break
        return self.wrong is None and self.refreshed > before


def _signed_in(service, subject):
    """Return a first token. Connections to a server that another test killed cause 503 responses before."""
    for _ in range(4):
        with suppress(StoreUnavailable):
            return service.grant(subject).refresh_token
    return service.grant(subject).refresh_token


@contextmanager
def refreshing(sessions):
    """Refresh each session in its own thread until the block ends."""
    stop = threading.Event()

    def go_on(session):
        while not stop.is_set() and session.wrong is None:
            session.refresh()

    threads = [threading.Thread(target=go_on, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive()


def wait_until(condition, seconds=120, *, every=0.01):
    """Return when *condition* is true. Raise `AssertionError` after *seconds*."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("the condition did not become true")
        pause.wait(every)
