-- Consumers that have gone are removed from the group, unless entries are pending for them: these would be lost to it.
--
-- KEYS  1 the stream
-- ARGV  1 the group, 2 a consumer that goes now ('' = none), 3 after how many ms of silence others count as gone
-- Returns how many were removed.

local removed = 0
for _, told in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #told, 2 do consumer[told[i]] = told[i + 1] end
  local gone = consumer.name == ARGV[2] or consumer.idle > tonumber(ARGV[3])
  if gone and consumer.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed
