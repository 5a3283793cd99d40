-- All that is known of one breaker, without writing.
--
-- KEYS 1 hash, 2 probes, 3 window, 4 breakers; ARGV 1 name, 2 the policy of one that has none
-- Returns {state ('': there is no hash), {field, value, …}, calls of the window that went well, failed, and were slow,
--          probes under way, when it was registered last in Unix seconds ('': it is not), now}
local score = redis.call('ZSCORE', KEYS[4], ARGV[1]) or ''
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return {'', {}, 0, 0, 0, 0, score, now} end
local b = read(ARGV[1], KEYS[1], KEYS[2])
b.window = KEYS[3]
local unset = decode(ARGV[2])
b.policy = b.fields.policy and decode(b.fields.policy, unset) or unset

local calls = window_calls(b)
local alive = b.circuit == 'half_open' and redis.call('ZCOUNT', b.probes, '(' .. now, '+inf') or 0
return {view(b), redis.call('HGETALL', b.hash), calls.o, calls.f, calls.s, alive, score, now}
