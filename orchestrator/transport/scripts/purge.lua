-- Delete what waits for its time, or is set aside for a breaker, to go into some lists: one bounded step.
--
-- KEYS  1 delayed, 2 delayed:messages; or 1 what waits for a breaker, 2 aside-messages
-- ARGV  1 cursor ('0' begins), 2 about how many messages this step looks at; then the lists
-- Returns {next cursor ('0': that was all), how many were deleted}
--
-- Invariant: only what this very step has found is deleted: a message that became due or was released meanwhile is a
-- worker's, and one that was put back under the same id is found by a later step or stays. A message is deleted before its
-- time: what stops the script in between leaves a time without a message, which `exchange` and `release` drop.
local lists = {}
for i = 3, #ARGV do lists[ARGV[i]] = true end
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then return {'0', 0} end
local step = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local deleted = 0
for i = 1, #step[2], 2 do
  local id = step[2][i]
  local value = redis.call('HGET', KEYS[2], id)
  if value and lists[string.match(value, '^[^\n]*')] then
    deleted = deleted + redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
  end
end
return {step[1], deleted}
