"""The scripts that Redis runs for the quote board: writes that depend on the epoch of the owner who wrote before."""

from typing import Final

# KEYS: the hash of one connection. ARGV: epoch, mode, ttl, layout, number of ids to drop, the ids, then id and row in
# turn. Mode "0" merges the rows, "1" replaces the hash, "2" replaces it even if its epoch is newer. Step by step:
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
local gone = tonumber(ARGV[5])
for i = 6, 5 + gone do redis.call('HDEL', KEYS[1], ARGV[i]) end
for i = 6 + gone, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
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
