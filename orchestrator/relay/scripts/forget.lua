-- Entries that are safe elsewhere: deleted and acknowledged at once, so that none stays that nobody will ever read.
--
-- KEYS  1 the stream
-- ARGV  1 the group; then the entries' ids: some hundreds, far fewer than `unpack` can take
-- Returns how many there were.
--
-- XACK comes last: what stops the script half-way leaves an entry pending that is gone, which whoever claims it next
-- removes; never one that is acknowledged and there, which would count as waiting for ever.

local ids = {unpack(ARGV, 2)}
local there = redis.call('XDEL', KEYS[1], unpack(ids))
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return there
