-- What an idle worker watches, read once: with client tracking on, the server tells it when one of the keys changes.
--
-- KEYS  1 changes, 2 the worker's own wake key, 3 paused; then the lists it claims from (none for a reserve)
-- ARGV  the queues' names, in the order of the lists of each priority
-- Returns {1 if a list holds a message that may be claimed, counter of changes, 1 if the worker was woken}
--
-- It writes nothing: whatever was written since the exchange that found nothing shows in what it returns.
local pausing = #ARGV > 0 and redis.call('EXISTS', KEYS[3]) == 1
local waiting = 0
for i = 4, #KEYS do
  local name = ARGV[(i - 4) % #ARGV + 1]
  if redis.call('TYPE', KEYS[i]).ok == 'list' and not (pausing and redis.call('SISMEMBER', KEYS[3], name) == 1) then
    waiting = 1
  end
end
return {waiting, redis.call('GET', KEYS[1]) or '0', redis.call('EXISTS', KEYS[2])}
