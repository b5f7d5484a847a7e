"""What Redis does at one moment, in Lua: the keys of each script are in one slot, so all of them run in a cluster.

Lives are differences of the caller's times and are counted on the server's clock, so that two clocks that disagree
cost nothing. `call` is a number of the caller's for one call: if a driver loses the answer and sends the call again,
the second time answers as the first did.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CREATE", "GET", "LIST", "MARGIN", "PUT_REVOCATION", "REVOKE", "ROTATE"]

MARGIN: Final = 3_600
"""Seconds for which everything is kept beyond its end: what clocks and slow processes may be wrong by."""

# KEYS: index of a subject or client. ARGV: family, life. Each entry added may take up to 16 dead ones away.
LIST: Final = """
local now = tonumber(redis.call('TIME')[1])
local life = tonumber(ARGV[2])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now, 'LIMIT', 0, 16)
if #dead > 0 then redis.call('ZREM', KEYS[1], unpack(dead)) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + life), ARGV[1])
if redis.call('TTL', KEYS[1]) < life then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
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

# KEYS: family, its salt. ARGV: call, life to the idle end, life to the absolute end, salt, its life, then names and
# values. A key that holds `revoked_at` alone was left by a revocation that came between the index and here: it stays.
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

# KEYS: family, its salt. ARGV: call, previous hash, life to the idle end, salt, its life, then names and values.
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

# KEYS: family, its salt. ARGV: call, moment, and for how long a family that is not there may only come revoked (0: do
# nothing).
REVOKE: Final = """
local there = redis.call('HMGET', KEYS[1], 'current_hash', 'revoked_at', 'revoked_by')
if not there[1] and ARGV[3] == '0' then return 0 end
if not there[2] then redis.call('HSET', KEYS[1], 'revoked_at', ARGV[2], 'revoked_by', ARGV[1]) end
if not there[1] then redis.call('EXPIRE', KEYS[1], ARGV[3]) return 0 end
redis.call('DEL', KEYS[2])
return (not there[2] or there[3] == ARGV[1]) and 1 or 0
"""

# KEYS: revocation. ARGV: issued until, keep until, life.
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
