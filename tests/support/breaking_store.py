"""A store that fails on demand, a clock that a test sets, and services, issuers and verifiers on both."""

import threading

import pytest

from gatepass import Key, TokenIssuer, TokenVerifier
from gatepass.refresh import RefreshToken, TokenService
from gatepass.refresh.errors import TokenEndpointError
from gatepass.revocation import AccessTokenRevocation
from gatepass.stores.memory import MemoryStore

ISSUER = "https://auth.example"
AUDIENCE = "https://api.example"
KEY = Key.from_secret("kXq2Zr8vT5mWn3bLc9dHf6gJs1pYt4Ru", kid="s1")
NOW = 1_800_000_000


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


class Outage(Exception):
    """The exception of a database driver. Its text must not reach a log."""

    def __init__(self):
        super().__init__("secret text")


class BreakingStore:
    """A store whose operations raise `Outage` if they are named in `before`, `after` or `after_once`.

    `in_between` has functions to call once before an operation, and `calls` the names of all operations called.
    """

    contract_version = 2

    def __init__(self, inner=None):
        self.inner = MemoryStore() if inner is None else inner
        self.before = set()
        self.after = set()
        self.after_once = set()
        self.in_between = {}
        self.calls = []

    def _do(self, name, *args, **kwargs):
        self.calls.append(name)
        self.in_between.pop(name, lambda: None)()
        if name in self.before:
            raise Outage
        result = getattr(self.inner, name)(*args, **kwargs)
        if name in self.after or name in self.after_once:
            self.after_once.discard(name)
            raise Outage
        return result

    def create(self, family):
        return self._do("create", family)

    def get(self, family_id):
        return self._do("get", family_id)

    def rotate(self, family_id, rotation):
        return self._do("rotate", family_id, rotation)

    def revoke(self, family_id, *, at):
        return self._do("revoke", family_id, at=at)

    def revoke_subject(self, subject, *, at):
        return self._do("revoke_subject", subject, at=at)

    def revoke_client(self, client_id, *, at):
        return self._do("revoke_client", client_id, at=at)

    def live_families(self, subject, *, at, limit, after):
        return self._do("live_families", subject, at=at, limit=limit, after=after)

    def purge(self, *, before, limit):
        return self._do("purge", before=before, limit=limit)

    def put_revocation(self, key, *, issued_until, keep_until):
        return self._do("put_revocation", key, issued_until=issued_until, keep_until=keep_until)

    def revoked_until(self, keys, *, now):
        return self._do("revoked_until", keys, now=now)

    def purge_revocations(self, *, before, limit):
        return self._do("purge_revocations", before=before, limit=limit)


def make_issuer(clock, **changes):
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys": KEY, "client_id": "web", "clock": clock, **changes}
    return TokenIssuer(**settings)


def make_verifier(clock, **changes):
    settings = {"issuer": ISSUER, "audience": AUDIENCE, "keys": KEY, "clock": clock, **changes}
    return TokenVerifier(**settings)


def make_revocation(store, clock, **changes):
    return AccessTokenRevocation(store, **{"access_ttl": 900, "clock": clock, **changes})


def make_service(store, clock, *, issuer=None, **settings):
    settings = {"check_subject": lambda subject: True, "clock": clock, **settings}
    return TokenService(make_issuer(clock) if issuer is None else issuer, store, **settings)


def reason_of(call, *args, **kwargs):
    with pytest.raises(TokenEndpointError) as caught:
        call(*args, **kwargs)
    return caught.value.reason


def family_of(store, pair):
    return store.inner.get(RefreshToken.parse(pair.refresh_token).family_id)


def run_in_threads(number, call):
    """Call *call* at once in *number* threads, and return the results and exceptions."""
    gate = threading.Barrier(number)
    outcomes = []

    def run():
        gate.wait()
        try:
            outcomes.append(call())
        except Exception as error:  # noqa: BLE001 - every exception is counted
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == number
    return outcomes


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return BreakingStore()


@pytest.fixture
def service(store, clock):
    return make_service(store, clock)
