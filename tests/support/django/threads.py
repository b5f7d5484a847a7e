"""Close Django's connections in threads that serve no request."""

import queue
import threading
from contextlib import contextmanager

from django.db import connections
from tests.support.databases.services import AT_ONCE, PATIENCE


@contextmanager
def sharing(store):
    """Wrap *store* for threads that serve no request: they share `AT_ONCE` connections, and a call waits for a
    free one. The main thread uses its own connection.
    """
    shared = _Sharing(store)
    try:
        yield shared
    finally:
        shared.disconnect()


def _in_any_thread(name):
    def call(self, *args, **kwargs):
        ask = getattr(self._store, name)
        if threading.current_thread() is threading.main_thread():
            return ask(*args, **kwargs)
        with self._connected():
            return ask(*args, **kwargs)

    return call


class _Sharing:
    def __init__(self, store):
        self._store = store
        self.contract_version = store.contract_version  # isinstance with a protocol calls no __getattr__ from 3.12 on
        self._free = queue.LifoQueue()
        for _ in range(AT_ONCE):
            self._free.put(None)  # a slot for a connection, which is created on first use

    def __getattr__(self, name):
        return getattr(self._store, name)

    create, get, rotate, live_families = map(_in_any_thread, ("create", "get", "rotate", "live_families"))
    revoke, revoke_subject, revoke_client = map(_in_any_thread, ("revoke", "revoke_subject", "revoke_client"))
    put_revocation, revoked_until = map(_in_any_thread, ("put_revocation", "revoked_until"))
    purge, purge_revocations = map(_in_any_thread, ("purge", "purge_revocations"))

    @contextmanager
    def _connected(self):
        alias, connection = self._store._using, self._free.get(timeout=PATIENCE)
        try:
            if connection is None:
                connection = connections.create_connection(alias)
                connection.inc_thread_sharing()
            connections[alias] = connection
            yield
        finally:
            del connections[alias]
            self._free.put(connection)

    def disconnect(self):
        while not self._free.empty():
            connection = self._free.get()
            if connection is not None:
                connection.close()
