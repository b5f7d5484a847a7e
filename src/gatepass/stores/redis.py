"""A store in Redis or Valkey (the extra `redis`), for services that already run one.

Each family is a hash under its own key. The salt of a grace window has a second key, which expires with the window.
Families and revocations expire by themselves, so `purge` deletes none. Sorted sets list the families of a
subject and of a client. They are written before the family, so that a revocation of the listed families also covers a
family that is not written yet.

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
import time
from collections.abc import Sequence
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
_SALT_TTL: Final = Rotation.MAX_GRACE


@final
class RedisStore:
    """Families and revocations in Redis or Valkey. Safe for threads and processes.

    *client_or_url* is a URL (`redis://`, `rediss://`, `unix://`), or your own `redis.Redis` or `redis.RedisCluster`,
    which must have a `socket_timeout`. For a URL the store creates a client that waits 1 second for a connection and 2
    for a response (`?socket_timeout=` in the URL changes the latter). Retries are safe. Every key begins with *prefix*.
    From a URL, a forked process creates its own client. Your own client is as safe across a fork as redis-py makes it.
    """

    __slots__ = ("_clients", "_owns_client", "_prefix")

    def __init__(self, client_or_url: str | Redis | RedisCluster, *, prefix: str = "gatepass") -> None:
        if not isinstance(prefix, str) or not prefix or not prefix.isprintable() or set(prefix) & set("{}"):
            raise ConfigurationError("prefix= must be a printable string without braces")
        self._owns_client = isinstance(client_or_url, str)

        def client() -> Any:
            return _check_client(_connect(client_or_url) if isinstance(client_or_url, str) else client_or_url)

        # Not left to redis-py: in a forked child its pool takes a lock that another thread may have held.
        self._clients = PerProcess(client)
        self._prefix = prefix

    @property
    def _client(self) -> Any:
        return self._clients.get()

    def close(self) -> None:
        """Close the connections of the store's own client. A client that you passed stays open."""
        if self._owns_client:
            self._client.close()

    def create(self, family: Family) -> None:
        absolute = _lifetime(family.expires_at, family.created_at)
        idle = _lifetime(family.idle_expires_at, family.created_at)
        for index in (self._index("subject", family.subject), self._index("client", family.client_id)):
            self._run(ADD_TO_INDEX, index, family.family_id, absolute + MARGIN)
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
        return self._revoke_listed(self._index("subject", subject), at)

    def revoke_client(self, client_id: str, *, at: int) -> int:
        """Revoke every family of *client_id*. If this raises, some may be revoked; call it again for the rest."""
        return self._revoke_listed(self._index("client", client_id), at)

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

    def _revoke_listed(self, index: str, at: int) -> int:
        """Revoke all families in *index*, including all that were added before this call."""
        revoked, call = 0, secrets.token_hex(8)
        listed = self._client.zscan_iter(index, count=_BATCH)
        while batch := [text_of(member) for member, _ in islice(listed, _BATCH)]:
            pipeline = self._client.pipeline(transaction=False)
            for family_id in batch:
                # not eval(): in pipelines of a cluster, redis-py blocks that method but not the command
                keys = self._keys(REVOKE, self._family(family_id))
                pipeline.execute_command("EVAL", REVOKE, len(keys), *keys, call, at, MARGIN)
            revoked += sum(pipeline.execute())
            self._client.zrem(index, *batch)
        return revoked

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
