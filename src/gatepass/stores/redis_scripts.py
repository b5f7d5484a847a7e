"""The Lua scripts of the store in Redis. Each is one atomic change, or one read, of keys that are in one slot.

A script takes its times as lifetimes and counts them on the server's clock. It never forms the name of a key, because
a cluster must know all keys before it runs the script.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

__all__ = [
    "ADD_TO_INDEX", "ADD_TO_ORDER", "CREATE", "DIGESTS", "GET", "PUT_REVOCATION", "REVOKE", "ROTATE", "WITH_SALT",
]  # fmt: skip

# KEYS: index of a subject or client. ARGV: family, lifetime. Each call removes up to 16 expired entries and
# returns them.
ADD_TO_INDEX: Final = """
local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[2])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, 16)
if #dead > 0 then redis.call('ZREM', KEYS[1], unpack(dead)) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + life), ARGV[1])
if redis.call('TTL', KEYS[1]) < life then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return dead
"""

# KEYS: order of a subject's logins. ARGV: lifetime, then times and families. A login keeps the place that it has.
ADD_TO_ORDER: Final = """
redis.call('ZADD', KEYS[1], 'NX', unpack(ARGV, 2))
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return 1
"""

# A family's salt has a key of its own, which expires when no window needs it any more.
_KEEP_SALT: Final = """
local function keep_salt(key, salt, life)
  if salt == '' then redis.call('DEL', key) else redis.call('SET', key, salt, 'EX', life) end
end
"""

# KEYS: family, its salt.
GET: Final = """
return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]) or ''}
"""

# KEYS: family, its salt. ARGV: call, lifetime to the idle end, lifetime to the absolute end, salt, its lifetime, then
# names and values. A key with only `revoked_at` is from a revocation that ran after the index was written: it stays.
CREATE: Final = (
    _KEEP_SALT
    + """
local now = tonumber(redis.call('TIME')[1])
local there = redis.call('HMGET', KEYS[1], 'current_hash', 'call')
if there[1] then return there[2] == ARGV[1] and 1 or 0 end
local gone = now + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'call', ARGV[1], 'gone_at', string.format('%.0f', gone), unpack(ARGV, 6))
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', math.min(now + tonumber(ARGV[2]), gone)))
keep_salt(KEYS[2], ARGV[4], ARGV[5])
return 1
"""
)

# KEYS: family, its salt. ARGV: call, previous hash, lifetime to the idle end, salt, its lifetime, then names and
# values.
ROTATE: Final = (
    _KEEP_SALT
    + """
local now = tonumber(redis.call('TIME')[1])
local there = redis.call('HMGET', KEYS[1], 'current_hash', 'revoked_at', 'call', 'gone_at')
if not there[1] or there[2] then return 0 end
if there[3] == ARGV[1] then return 1 end
if there[1] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'call', ARGV[1], unpack(ARGV, 6))
redis.call('EXPIREAT', KEYS[1], string.format('%.0f', math.min(now + tonumber(ARGV[3]), tonumber(there[4]))))
keep_salt(KEYS[2], ARGV[4], ARGV[5])
return 1
"""
)

# KEYS: family, its salt. ARGV: call, moment, and the lifetime of the mark that keeps a family that does not exist yet
# from being created as active (0: set no mark).
REVOKE: Final = """
local there = redis.call('HMGET', KEYS[1], 'current_hash', 'revoked_at', 'revoked_by')
if not there[1] and ARGV[3] == '0' then return 0 end
if not there[2] then redis.call('HSET', KEYS[1], 'revoked_at', ARGV[2], 'revoked_by', ARGV[1]) end
if not there[1] then redis.call('EXPIRE', KEYS[1], ARGV[3]) return 0 end
redis.call('DEL', KEYS[2])
return (not there[2] or there[3] == ARGV[1]) and 1 or 0
"""

# KEYS: revocation. ARGV: issued until, keep until, lifetime.
PUT_REVOCATION: Final = """
local issued, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local there = redis.call('GET', KEYS[1])
if there then
  local known_issued, known_keep = string.match(there, '^(%-?%d+) (%-?%d+)$')
  issued, keep = math.max(issued, tonumber(known_issued)), math.max(keep, tonumber(known_keep))
end
local life = math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], string.format('%.0f %.0f', issued, keep), 'EX', string.format('%.0f', life))
return 1
"""

WITH_SALT: Final = frozenset((CREATE, GET, REVOKE, ROTATE))
"""The scripts with two keys: a family and its salt."""

DIGESTS: Final = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (ADD_TO_INDEX, ADD_TO_ORDER, CREATE, GET, PUT_REVOCATION, REVOKE, ROTATE)
}
"""The name of each script for EVALSHA."""
