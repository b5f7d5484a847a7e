"""Clients with a session each, against a service whose store breaks: what they were promised is what they check."""

import threading
import time
from contextlib import contextmanager, suppress

from gatepass.refresh.errors import StoreUnavailable


class Session:
    """A client that signs in and refreshes, tries again after a 503 with what it has, and never uses a token twice else."""

    def __init__(self, service, subject):
        self.service = service
        self.token = _signed_in(service, subject)
        self.spent = []
        self.refreshed = 0
        self.unavailable = 0
        self.wrong = None

    def refresh(self):
        """One try. An answer that is neither right nor 503 is kept in `wrong`."""
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
        """Whether the session is alive: refreshed at last, and never answered wrongly."""
        before = self.refreshed
        for _ in range(5):
            self.refresh()
            if self.refreshed > before or self.wrong is not None:
                break
        return self.wrong is None and self.refreshed > before


def _signed_in(service, subject):
    """A first token. The connections may be of a server that was killed in another test: that is a 503 each."""
    for _ in range(4):
        with suppress(StoreUnavailable):
            return service.grant(subject).refresh_token
    return service.grant(subject).refresh_token


@contextmanager
def refreshing(sessions):
    """The sessions refresh in threads of their own, as fast as they can."""
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
    """Go on when it has come about. *seconds*: so much later it never will."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come about")
        pause.wait(every)
