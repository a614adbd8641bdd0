"""The scripts that Redis runs for the boards: writes that depend on the epoch of the owner who wrote before, and wishes
that depend on Redis's own clock."""

from typing import Final

# KEYS: the hash of one connection. ARGV: epoch, mode, ttl, layout, the size of a row, all rows, then the ids to drop.
# The rows are one string, since a client encodes each of thousands of arguments alone; each begins with its id, in four
# bytes. A command writes a hundred of them, so that the script takes no longer than with two arguments for a row. Mode
# "0" merges the rows, "1" replaces the hash, "2" replaces it even if its epoch is newer. Step by step:
# 1. The hash has a newer epoch: a successor writes here. Answer -1 and change nothing. This holds for a hash of another
#    layout too: the epoch is the fencing token between versions of this program.
# 2. Another layout, another epoch, or a replacing mode: delete the hash, because its rows belong to another owner.
# 3. Drop ids, then write rows. A full replacement comes in one call, so no reader sees the hash half filled.
# 4. There was no hash of this layout although the caller merged: Redis was emptied, and only this part is cached.
#    Answer 0.
CACHE_ROWS: Final = """
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
local epoch = tonumber(ARGV[1])
if held > epoch and ARGV[2] ~= '2' then return -1 end
if redis.call('HGET', KEYS[1], 'layout') ~= ARGV[4] then
  redis.call('DEL', KEYS[1])
  held = 0
end
if held ~= epoch or ARGV[2] ~= '0' then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'layout', ARGV[4])
for i = 7, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
local size, rows, fields = tonumber(ARGV[5]), ARGV[6], {}
for at = 1, #rows, size do
  local count = #fields
  fields[count + 1] = struct.unpack('<I4', rows, at)
  fields[count + 2] = string.sub(rows, at, at + size - 1)
  if count == 198 or at + size > #rows then
    redis.call('HSET', KEYS[1], unpack(fields))
    fields = {}
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
if held == 0 and ARGV[2] == '0' then return 0 end
return 1
"""

# KEYS: report and sent set of one connection. ARGV[1]: the epoch of the caller. A former owner that has lost the
# database still reports until it learns of its successor, and to the end of its process: the newer epoch stands.
_UNLESS_NEWER: Final = """
local is_read, held = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '{}')
if is_read and (held['epoch'] or 0) > tonumber(ARGV[1]) then return 0 end
"""
# ARGV from 2: report, sent set, ttl.
REPORT: Final = f"""{_UNLESS_NEWER}
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
"""
WITHDRAW: Final = f"""{_UNLESS_NEWER}
return redis.call('DEL', KEYS[1], KEYS[2])
"""

# KEYS[1]: the wanted scans, a sorted set by the time of the newest wish in Redis's clock: hosts need no common one.
# ARGV: seconds that a wish lasts, then the scans. Wishes that have ended are removed, so that the set stays small.
WANT_SCANS: Final = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now, ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""
# KEYS[1] as above. ARGV: seconds that a wish lasts, and how many scans are returned, the newest wishes first.
LIST_WANTED_SCANS: Final = """
local now = tonumber(redis.call('TIME')[1])
return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', '(' .. (now - ARGV[1]), 'LIMIT', 0, ARGV[2])
"""
