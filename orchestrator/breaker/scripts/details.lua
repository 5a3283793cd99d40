-- All that is known of one breaker, without writing.
--
-- KEYS 1 hash, 2 probes, 3 window, 4 breakers; ARGV 1 name, 2 the policy of one that has none
-- Returns {state ('': there is no hash), {field, value, …}, calls of the window that went well, that failed, that were slow,
--          probes under way, when it was registered last in Unix seconds ('': it is not), now}
local score = redis.call('ZSCORE', KEYS[4], ARGV[1]) or ''
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return {'', {}, 0, 0, 0, 0, score, now} end
local b = read(ARGV[1], KEYS[1], KEYS[2])
b.policy = b.fields.policy and decode(b.fields.policy) or decode(ARGV[2])

local sums, found = {o = 0, f = 0, s = 0}, redis.call('HGETALL', KEYS[3])
local bucket = math.floor(now / math.floor(ms(b.policy.window_seconds) / BUCKETS))
for i = 1, #found, 2 do
  local index, calls = string.match(found[i], '^(%d+):(%a)$')
  if tonumber(index) > bucket - BUCKETS and tonumber(index) <= bucket then
    sums[calls] = sums[calls] + tonumber(found[i + 1])
  end
end
local alive = b.circuit == 'half_open' and redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf') or 0
return {view(b), redis.call('HGETALL', KEYS[1]), sums.o, sums.f, sums.s, alive, score, now}
