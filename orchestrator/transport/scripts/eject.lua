-- A delayed message becomes a plain one in its list again, for workers that know no delayed messages.
--
-- KEYS  1 delayed, 2 delayed:messages, 3 list
-- ARGV  1 delay id, 2 what is there under this id, 3 the message as it goes into the list
-- Returns 1, or 0 when something else is there by now (it became due, or somebody was faster).
--
-- Invariant: it is in the list before it is no longer delayed, and its due time goes last: `exchange` drops one that has
-- been left.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
