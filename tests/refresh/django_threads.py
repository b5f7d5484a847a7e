"""Django's connections in threads that are no requests: nobody closes them there but the tests."""

import threading

from django.db import connections


def _on_its_thread(name):
    def call(self, *args, **kwargs):
        if threading.current_thread() is not threading.main_thread() and not hasattr(self._threads, "closer"):
            self._threads.closer = _Closer(list(connections.all()))
        return getattr(self._store, name)(*args, **kwargs)

    return call


class Hanging:
    """The store for threads that are not requests: it closes the thread's connection when the thread is gone."""

    def __init__(self, store):
        self._store = store
        self._threads = threading.local()

    def __getattr__(self, name):
        return getattr(self._store, name)

    create, get, rotate = map(_on_its_thread, ("create", "get", "rotate"))
    revoke, revoke_subject, revoke_client = map(_on_its_thread, ("revoke", "revoke_subject", "revoke_client"))
    put_revocation, revoked_until = map(_on_its_thread, ("put_revocation", "revoked_until"))
    purge, purge_revocations = map(_on_its_thread, ("purge", "purge_revocations"))


class _Closer:
    def __init__(self, opened):
        self._opened = opened

    def __del__(self):
        for one in self._opened:
            one.inc_thread_sharing()
            one.close()
