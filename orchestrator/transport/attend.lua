-- A worker is there: what it says of itself, with the time of Redis's clock in front.
--
-- KEYS  1 workers
-- ARGV  1 the worker's node, 2 what it says as a JSON object, 3 seconds after which the others' records are forgotten
--       (0: they are not looked at), 4 seconds that the hash lives
-- Returns nothing.
--
-- The first write is one that a full Redis allows: it lets the others through.
redis.call('HDEL', KEYS[1], '')
local clock, forget_s = redis.call('TIME'), tonumber(ARGV[3])
if forget_s > 0 then
  local told = redis.call('HGETALL', KEYS[1])
  for i = 1, #told, 2 do
    local at = tonumber(string.match(told[i + 1], '^{"at": (%d+)')) or 0
    if clock[1] - at > forget_s then redis.call('HDEL', KEYS[1], told[i]) end
  end
end
local at = clock[1] .. '.' .. string.format('%06d', clock[2])
redis.call('HSET', KEYS[1], ARGV[1], '{"at": ' .. at .. ', ' .. string.sub(ARGV[2], 2))
redis.call('EXPIRE', KEYS[1], ARGV[4])
