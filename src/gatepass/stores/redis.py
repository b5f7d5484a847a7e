"""A store in Redis or Valkey (the extra `redis`), for services that already run one.

Each family is a hash under its own key. The salt of a grace window has a second key, which expires with the window.
Families and revocations expire by themselves, so `purge` deletes none. Sorted sets list the families of a
subject and of a client: the indexes. They are written before the family, so that a revocation of the listed families
also covers a family that is not written yet. One more sorted set of each subject has its logins by time: the order.
It is written before the index and loses a login only after its end, so it never lacks one that lives.

Each change of a family or a revocation is one Lua script whose keys are in one slot, so that it works on a cluster.
Lifetimes are differences of the caller's times and are counted on the server's clock, so that a difference between the
two clocks is harmless. `call` identifies one call: if the driver loses the response and sends the call again, it gets
the same result.

**Server settings.** `maxmemory-policy noeviction`: an evicted key may be a revocation. `appendonly yes` with
`appendfsync always`, if a returned change must survive a power cut; `everysec` may lose the last second, and a client
whose rotation was lost is signed out as if its token were stolen. Replication is asynchronous: a failover may lose a
revocation. Redis 6.2 or Valkey 7.2 is sufficient. The store does not read from replicas.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Any, Final, cast, final

from gatepass.common.settings import extra_hint
from gatepass.errors import ConfigurationError

if find_spec("redis") is None:
    raise ImportError(f"gatepass.stores.redis needs redis-py; install it with: {extra_hint('redis')}")

from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import NoScriptError
from redis.retry import Retry

from gatepass.common.runtime import PerProcess
from gatepass.refresh.family import Family, Rotation
from gatepass.refresh.store import PurgeResult
from gatepass.stores.redis_fields import decode_family, encode_family, encode_rotation, text_of
from gatepass.stores.redis_scripts import (
    ADD_TO_INDEX,
    ADD_TO_ORDER,
    CREATE,
    DIGESTS,
    GET,
    PUT_REVOCATION,
    REVOKE,
    ROTATE,
    WITH_SALT,
)

__all__ = ["RedisStore"]

MARGIN: Final = 3_600
"""Seconds that each key is stored beyond its end, to allow for clock differences and slow processes."""

_CONNECT_TIMEOUT: Final = 1.0
_RESPONSE_TIMEOUT: Final = 2.0
_BATCH: Final = 500
_SUBJECTS: Final = 100
_SCHEMA: Final = "2"
_SPARE: Final = 16  # entries of a range beyond the page: the login of *after*, and some that have ended
_SALT_TTL: Final = Rotation.MAX_GRACE
_LITERAL: Final = str.maketrans({sign: f"\\{sign}" for sign in "*?[]\\"})


@final
class RedisStore:
    """Families and revocations in Redis or Valkey. Safe for threads and processes.

    *client_or_url* is a URL (`redis://`, `rediss://`, `unix://`), or your own `redis.Redis` or `redis.RedisCluster`,
    which must have a `socket_timeout`. For a URL the store creates a client that waits 1 second for a connection and 2
    for a response (`?socket_timeout=` in the URL changes the latter). Retries are safe. Every key begins with *prefix*.
    From a URL, a forked process creates its own client. Your own client is as safe across a fork as redis-py makes it.
    """

    __slots__ = ("_clients", "_owns_client", "_prefix", "_upgraded")

    contract_version: int = 2

    def __init__(self, client_or_url: str | Redis | RedisCluster, *, prefix: str = "gatepass") -> None:
        if not isinstance(prefix, str) or not prefix or not prefix.isprintable() or set(prefix) & set("{}"):
            raise ConfigurationError("prefix= must be a printable string without braces")
        self._owns_client = isinstance(client_or_url, str)

        def client() -> Any:
            return _check_client(_connect(client_or_url) if isinstance(client_or_url, str) else client_or_url)

        # Not left to redis-py: in a forked child its pool takes a lock that another thread may have held.
        self._clients = PerProcess(client)
        self._prefix = prefix
        self._upgraded = PerProcess(threading.Event)

    @property
    def _client(self) -> Any:
        return self._clients.get()

    def close(self) -> None:
        """Close the connections of the store's own client. A client that you passed stays open."""
        if self._owns_client:
            self._client.close()

    def upgrade_schema(self) -> int:
        """Let `live_families` find the logins that version 1 of the store stored. It only adds to the sets it reads.

        Return the version before: 1 until an upgrade was completed, also for a new store.

        Call it once, or run `gatepass upgrade-store`, after the last process with version 1 has stopped: later logins
        of such a process are missing from lists until you call it again. It may be interrupted, run in several
        processes and run again, while clients log in and refresh. A new store needs no call, but lists faster after
        one. While a cluster moves slots a scan may miss keys, so call it at another time.
        """
        was_upgraded = self._has_marker()  # raises for a later version of the store
        start = self._index("subject", "")
        keys = self._client.scan_iter(f"{start.translate(_LITERAL)}*", count=_BATCH, _type="zset")
        while subjects := [text_of(key).removeprefix(start) for key in islice(keys, _SUBJECTS)]:
            self._add_to_orders(subjects)
        self._client.set(self._marker, _SCHEMA, nx=True)  # another process may have written a higher number
        return int(_SCHEMA) if was_upgraded else 1

    def create(self, family: Family) -> None:
        absolute = _lifetime(family.expires_at, family.created_at)
        idle = _lifetime(family.idle_expires_at, family.created_at)
        subject, client = self._index("subject", family.subject), self._index("client", family.client_id)
        order = self._order(family.subject)
        self._run(ADD_TO_ORDER, order, absolute + MARGIN, family.created_at, family.family_id)
        expired = self._run(ADD_TO_INDEX, subject, family.family_id, absolute + MARGIN)
        self._run(ADD_TO_INDEX, client, family.family_id, absolute + MARGIN)
        if expired:
            self._client.zrem(order, *expired)
        values = encode_family(family)
        salt, call = family.salt.hex(), secrets.token_hex(8)
        if not self._run(CREATE, self._family(family.family_id), call, idle, absolute, salt, _SALT_TTL, *values):
            raise KeyError("this family already exists")

    def get(self, family_id: str) -> Family | None:
        return decode_family(family_id, self._run(GET, self._family(family_id)))

    def rotate(self, family_id: str, rotation: Rotation) -> bool:
        idle = _lifetime(rotation.idle_expires_at, rotation.rotated_at)
        values = encode_rotation(rotation)
        call, previous, salt = secrets.token_hex(8), rotation.previous_hash.hex(), rotation.salt.hex()
        return bool(self._run(ROTATE, self._family(family_id), call, previous, idle, salt, _SALT_TTL, *values))

    def revoke(self, family_id: str, *, at: int) -> bool:
        return bool(self._run(REVOKE, self._family(family_id), secrets.token_hex(8), at, 0))

    def revoke_subject(self, subject: str, *, at: int) -> int:
        """Revoke every family of *subject*. If this raises, some may be revoked; call it again for the rest."""
        return self._revoke_listed(self._index("subject", subject), at, order=self._order(subject))

    def revoke_client(self, client_id: str, *, at: int) -> int:
        """Revoke every family of *client_id*. If this raises, some may be revoked; call it again for the rest."""
        return self._revoke_listed(self._index("client", client_id), at)

    def live_families(self, subject: str, *, at: int, limit: int, after: tuple[int, str] | None) -> Sequence[Family]:
        """Make one range and one pipeline, more if many of the newest logins have ended.

        Until `upgrade_schema()` was called, each call also checks that no login of *subject* was stored by version 1,
        and raises `ConfigurationError` if one was.
        """
        self._require_order(subject)
        found: list[Family] = []
        size = length = min(limit, _BATCH) + _SPARE
        while len(found) < limit:
            entries = self._latest(subject, "+inf" if after is None else after[0], length)
            # The range begins with the second of *after*, because an offset shifts when others remove entries.
            behind = [entry for entry in entries if after is None or entry < after]
            batch = behind[:size]
            found += self._read_live(subject, batch, at)
            if len(entries) < length and len(batch) == len(behind):
                break
            if len(behind) < size:
                length *= 2
            after = batch[-1] if batch else after
        return found[:limit]

    def purge(self, *, before: int, limit: int) -> PurgeResult:  # noqa: ARG002 - the protocol's signature
        """Return an empty result: families expire by themselves, and writes to an index remove its expired entries."""
        return PurgeResult(0, more=False)

    def put_revocation(self, key: str, *, issued_until: int, keep_until: int) -> None:
        life = _lifetime(keep_until, int(time.time()))  # by the clock of this machine, as *keep_until* is
        self._run(PUT_REVOCATION, self._revocation(key), issued_until, keep_until, life)

    def revoked_until(self, keys: Sequence[str], *, now: int) -> int | None:
        """Make one round trip; in a cluster, one to each node that holds some of *keys*."""
        if not keys:
            return None
        client, names = self._client, list(map(self._revocation, keys))
        # A cluster needs one MGET per slot; redis-py sends them in parallel.
        values = client.mget_nonatomic(names) if isinstance(client, RedisCluster) else client.mget(names)
        found = [text_of(value).split(" ") for value in values if value]
        return max((int(issued) for issued, keep in found if int(keep) >= now), default=None)

    def purge_revocations(self, *, before: int, limit: int) -> int:  # noqa: ARG002 - the protocol's signature
        """Return 0: revocations expire by themselves."""
        return 0

    def _revoke_listed(self, index: str, at: int, *, order: str | None = None) -> int:
        """Revoke all families in *index*, including all that were added before this call. Remove them from *order*."""
        revoked, call = 0, secrets.token_hex(8)
        for batch in self._batches(index):
            pipeline = self._client.pipeline(transaction=False)
            for family_id in batch:
                # not eval(): in pipelines of a cluster, redis-py blocks that method but not the command
                keys = self._keys(REVOKE, self._family(family_id))
                pipeline.execute_command("EVAL", REVOKE, len(keys), *keys, call, at, MARGIN)
            revoked += sum(pipeline.execute())
            for name in (index,) if order is None else (order, index):  # a repeated call reads the index
                self._client.zrem(name, *batch)
        return revoked

    def _batches(self, index: str) -> Iterator[list[str]]:
        listed = self._client.zscan_iter(index, count=_BATCH)
        while batch := [text_of(member) for member, _ in islice(listed, _BATCH)]:
            yield batch

    def _latest(self, subject: str, newest: int | str, count: int) -> list[tuple[int, str]]:
        """Return the positions of *count* logins of *subject*, from the second *newest* on, the latest first."""
        entries = self._client.zrange(
            self._order(subject), newest, "-inf", desc=True, byscore=True, offset=0, num=count,
            withscores=True,
        )  # fmt: skip
        return [(int(score), text_of(member)) for member, score in entries]

    def _read_live(self, subject: str, entries: Sequence[tuple[int, str]], at: int) -> list[Family]:
        """Return the families of *entries* that are live. Remove from the order those that will never be."""
        pipeline = self._client.pipeline(transaction=False)
        for _, family_id in entries:
            keys = self._keys(GET, self._family(family_id))
            pipeline.execute_command("EVAL", GET, len(keys), *keys)
        live: list[Family] = []
        ended: list[str] = []
        for (created_at, family_id), response in zip(entries, pipeline.execute(), strict=True):
            family = decode_family(family_id, response)
            if family is None:
                if created_at < at - MARGIN:  # a later one may be about to be written
                    ended.append(family_id)
            elif family.revoked_at is not None or family.subject != subject:
                ended.append(family_id)
            elif family.is_live(at):
                live.append(family)
        if ended:
            self._client.zrem(self._order(subject), *ended)
        return live

    def _require_order(self, subject: str) -> None:
        """Raise `ConfigurationError` if the order of *subject* may lack a login that version 1 stored."""
        if self._upgraded.get().is_set():
            return
        if self._has_marker():  # read before the order: the upgrade writes it last
            self._upgraded.get().set()
            return
        for batch in self._batches(self._index("subject", subject)):
            scores = self._client.zmscore(self._order(subject), batch)
            missing = [(subject, family_id) for family_id, score in zip(batch, scores, strict=True) if score is None]
            if any(created_at is not None for created_at in self._times_of_logins(missing)):
                raise ConfigurationError(
                    "these logins were stored by version 1 of the store: call RedisStore.upgrade_schema() once, or "
                    "run: gatepass upgrade-store URL"
                )

    def _has_marker(self) -> bool:
        """Return whether the upgrade was completed. Raises `ConfigurationError` for a later version of the store."""
        marker = self._client.get(self._marker)
        if marker is not None and text_of(marker) != _SCHEMA:
            raise ConfigurationError("the store was made by a newer version of gatepass: upgrade gatepass")
        return marker is not None

    def _add_to_orders(self, subjects: Sequence[str]) -> None:
        """Add all families in the indexes of *subjects* to the orders, as often as it is called."""
        cursors = dict.fromkeys(subjects, 0)
        while cursors:
            pipeline = self._client.pipeline(transaction=False)
            for subject, cursor in cursors.items():
                pipeline.zscan(self._index("subject", subject), cursor, count=_BATCH)
                pipeline.ttl(self._index("subject", subject))
            responses = pipeline.execute()
            parts = dict(zip(cursors, zip(responses[::2], responses[1::2], strict=True), strict=True))
            listed = ((subject, text_of(name)) for subject, ((_, part), _) in parts.items() for name, _ in part)
            while batch := list(islice(listed, _BATCH)):
                added: dict[str, list[int | str]] = {}
                for (subject, family_id), created_at in zip(batch, self._times_of_logins(batch), strict=True):
                    if created_at is not None:
                        added.setdefault(subject, [parts[subject][1]]).extend((created_at, family_id))
                for subject, values in added.items():
                    pipeline.execute_command("EVAL", ADD_TO_ORDER, 1, self._order(subject), *values)
                pipeline.execute()
            cursors = {subject: int(cursor) for subject, ((cursor, _), _) in parts.items() if int(cursor)}

    def _times_of_logins(self, listed: Sequence[tuple[str, str]]) -> list[int | None]:
        """Return when each of *listed*, a subject and a family, logged in; None if it is not stored, or revoked."""
        pipeline = self._client.pipeline(transaction=False)
        for _, family_id in listed:
            pipeline.hmget(self._family(family_id), "created_at", "revoked_at", "subject")
        return [
            int(created_at) if created_at and revoked_at is None and text_of(owner) == subject else None
            for (subject, _), (created_at, revoked_at, owner) in zip(listed, pipeline.execute(), strict=True)
        ]

    def _run(self, script: str, key: str, *values: str | int) -> Any:
        keys = self._keys(script, key)
        try:
            return self._client.evalsha(DIGESTS[script], len(keys), *keys, *values)
        except NoScriptError:  # a new server, or one whose scripts were flushed
            return self._client.eval(script, len(keys), *keys, *values)

    def _keys(self, script: str, key: str) -> tuple[str, ...]:
        """Return *key* and the key of the family's salt. The braces keep both in one slot of a cluster."""
        return (key, f"{self._prefix}:salt:{{{key}}}") if script in WITH_SALT else (key,)

    def _family(self, family_id: str) -> str:
        return f"{self._prefix}:family:{family_id}"

    def _index(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    def _order(self, subject: str) -> str:
        return f"{self._prefix}:logins:{subject}"

    @property
    def _marker(self) -> str:
        return f"{self._prefix}:schema"

    def _revocation(self, key: str) -> str:
        return f"{self._prefix}:revoked:{key}"


def _connect(url: str) -> Redis:
    try:
        client: Redis = cast("Any", Redis).from_url(  # its annotations are incomplete
            url,
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=_RESPONSE_TIMEOUT,
            # Reconnect once if the server closed the connection, but do not retry after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
            retry_on_error=[ConnectionLost],  # redis-py 5 needs both
        )
    except ValueError:
        raise ConfigurationError("the URL of the store must begin with redis://, rediss:// or unix://") from None
    return client


def _check_client(client: object) -> Redis | RedisCluster:
    if not isinstance(client, Redis | RedisCluster):
        raise ConfigurationError("RedisStore takes a URL, a redis.Redis or a redis.RedisCluster")
    options: dict[str, Any] = client.get_connection_kwargs()  # type: ignore[no-untyped-call,unused-ignore]
    if options.get("socket_timeout") is None:
        raise ConfigurationError(
            "the client needs a socket_timeout=, or a request waits forever for a server that hangs"
        )
    if getattr(client, "connection", None) is not None:
        raise ConfigurationError("the client must not be a single-connection client: a fork would share its connection")
    if getattr(client, "read_from_replicas", False) or getattr(client, "load_balancing_strategy", None):
        raise ConfigurationError("the client must not read from replicas: revocations reach them too late")
    return client


def _lifetime(end: int, start: int) -> int:
    """Return the seconds from *start* to *end* plus the margin. What has already ended is kept for the margin too."""
    return max(end - start, 0) + MARGIN
