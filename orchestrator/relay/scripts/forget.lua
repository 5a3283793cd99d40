-- Entries that are safe elsewhere: acknowledged and deleted at once, so that none stays that nobody will ever read.
--
-- KEYS  1 the stream
-- ARGV  1 the group; then the entries' ids
-- Returns how many there were.
--
-- XDEL comes last: what stops the script half-way leaves an entry that is acknowledged but there, never one that is
-- pending but gone. A stream has at most a few hundred ids to forget at a time, far less than `unpack` can take.

local ids = {unpack(ARGV, 2)}
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return redis.call('XDEL', KEYS[1], unpack(ids))
