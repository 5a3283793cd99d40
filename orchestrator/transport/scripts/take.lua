-- Claim one message of a list where it was seen, without being a worker of its queue: whoever does so ends it.
--
-- KEYS  1 claims, 2 leases, 3 deliveries, 4 pulse, 5 list
-- ARGV  1 lease in ms, 2 the claim's id, 3 where it was seen: 1 is the message that is claimed next, 4 the message
-- Returns {1, how often it was delivered before}, or {0, 0} where these bytes are there no more: nothing is changed
--
-- Invariant: as in `exchange`, the lease is written before the claim, and the claim before the message leaves its list. A
-- worker that claims at the same time has moved what was seen: the message is the worker's then.
redis.call('DEL', KEYS[4] .. ':none')
local CLAIMS, LEASES, DELIVERIES, LIST = KEYS[1], KEYS[2], KEYS[3], KEYS[5]
local id, raw = ARGV[2], ARGV[4]
if redis.call('LINDEX', LIST, -tonumber(ARGV[3])) ~= raw then return {0, 0} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', LEASES, now + tonumber(ARGV[1]), id)
redis.call('HSET', CLAIMS, id, LIST .. '\n' .. raw)
redis.call('LREM', LIST, -1, raw)
return {1, tonumber(redis.call('HGET', DELIVERIES, redis.sha1hex(raw)) or 0)}
