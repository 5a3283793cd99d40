-- Prolong the leases of claims that a living worker holds, and let this server hear from it.
--
-- KEYS  1 leases, 2 pulse, 3 quiet
-- ARGV  1 lease in ms; then claim ids
-- Returns the ids that are not leased any more: they were returned to their queues, and may run elsewhere.
--
-- Invariant: a lease that is gone is never made anew; its message belongs to somebody else.
redis.call('DEL', KEYS[2] .. ':none')
local lease_ms = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local heard = tonumber(redis.call('GET', KEYS[2]) or 0)
if math.abs(now - heard) > lease_ms / 2 then redis.call('SET', KEYS[3], 1, 'PX', lease_ms) end
redis.call('SET', KEYS[2], now)
local lost = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', KEYS[1], now + lease_ms, ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
