-- A delayed message, or one that is set aside, becomes a plain one in its list again, for workers that know of neither.
--
-- KEYS  1 delayed, 2 delayed:messages; or 1 what waits for a breaker, 2 aside-messages; 3 list
-- ARGV  1 the id under which it waits, 2 what is there under this id, 3 the message as it goes into the list
-- Returns 1, or 0 when something else is there by now (it became due or was released, or somebody was faster).
--
-- Invariant: it is in the list before it waits no longer, and its time goes last: `exchange` and `release` drop one that
-- has been left.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('LPUSH', KEYS[3], ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
