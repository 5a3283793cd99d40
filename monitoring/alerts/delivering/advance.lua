-- Moves a destination on, if it still is where it was read: two that deliver at once do not set each other back.
--
-- KEYS[1] hash of the destination
-- ARGV[1] the position that was read; empty where there was none
-- ARGV[2] seconds that the hash is kept
-- ARGV[3] how many of the next arguments are fields and values to set; the fields after these go
-- Returns whether it was moved: 0 means that somebody else has moved it.

-- The first write is one that a full Redis allows: it lets the others through.
redis.call('DEL', KEYS[1] .. ':none')
if (redis.call('HGET', KEYS[1], 'position') or '') ~= ARGV[1] then return 0 end
local last = 3 + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], unpack(ARGV, 4, last))
if #ARGV > last then redis.call('HDEL', KEYS[1], unpack(ARGV, last + 1)) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
