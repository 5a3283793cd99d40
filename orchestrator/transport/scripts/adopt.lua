-- A message that a stopped stock worker has left unacknowledged goes back to its list.
--
-- KEYS  1 stock's hash of unacknowledged messages, 2 its index; then the lists (as a rule one)
-- ARGV  1 delivery tag, 2 what is there under this tag, 3 the message as it goes into the lists
-- Returns 1, or 0 when something else is there by now (a stock worker has settled or restored it).
--
-- Invariant: it is in the lists before it is no longer unacknowledged. Stock's mutex is not needed: nothing else runs
-- between the look and the removal.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
for i = 3, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[3]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
