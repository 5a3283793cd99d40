-- Changes one record, if it still is the one that was read, and tells of it in the history, both or neither.
--
-- KEYS[1] hash: alerts that are raised, or silences, by name
-- KEYS[2] stream of the history
-- ARGV[1] name
-- ARGV[2] the record as it was read; empty where there was none
-- ARGV[3] what it becomes; empty where it goes
-- ARGV[4] about how many entries the history keeps
-- ARGV[5…] fields and values of the entry; none where there is nothing to tell
-- Returns whether it was changed: 0 means that somebody else was faster.

-- The first write is one that a full Redis allows: it lets the others through.
redis.call('DEL', KEYS[1] .. ':none')
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
if #ARGV > 4 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
end
return 1
