-- A producer's message that is due later: it waits in Redis, not in a worker.
--
-- KEYS  1 delayed, 2 delayed:messages, 3 changes
-- ARGV  1 delay in ms, counted from now by this server's clock, 2 delay id, 3 list, 4 message
-- Returns when it is due, in ms.
--
-- Invariant: the producer is told that the message is there when it and its due time are. The due time is written first:
-- one without a message is dropped by `exchange`, a message without one would stay for ever. A full Redis refuses the
-- first write, and the producer is told.
local clock = redis.call('TIME')
local due = clock[1] * 1000 + math.floor(clock[2] / 1000) + tonumber(ARGV[1])
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', due), ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. '\n' .. ARGV[4])
if not first or due < tonumber(first) then redis.call('INCR', KEYS[3]) end
return string.format('%.0f', due)
