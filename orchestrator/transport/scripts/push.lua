-- A producer's chunk of messages, pushed at once, and once only.
--
-- KEYS  1 marker of this chunk: how many of its messages were pushed, 2 delayed, 3 delayed:messages, 4 changes, 5 list
-- ARGV  1 how long the marker lives, in s, 2 delay in ms (0: none); then the messages
-- Returns how many were pushed: none when this chunk was pushed before, and of one that has grown only what is new.
--
-- Invariant: the marker is written last, and with it the chunk is there: a producer that has lost the reply may repeat
-- the call. A full Redis refuses the first write, and the producer is told.
local before = tonumber(redis.call('GET', KEYS[1]) or 0)
local delay_ms, count = tonumber(ARGV[2]), #ARGV - 2
if count <= before then return 0 end
if delay_ms > 0 then
  local clock = redis.call('TIME')
  local due = clock[1] * 1000 + math.floor(clock[2] / 1000) + delay_ms
  local bodies, scores = {}, {}
  for i = before + 1, count do
    local id = KEYS[1] .. ':' .. i
    bodies[#bodies + 1] = id
    bodies[#bodies + 1] = KEYS[5] .. '\n' .. ARGV[i + 2]
    scores[#scores + 1] = string.format('%.0f', due)
    scores[#scores + 1] = id
  end
  redis.call('ZADD', KEYS[2], unpack(scores))
  redis.call('HSET', KEYS[3], unpack(bodies))
  redis.call('INCR', KEYS[4])
else
  redis.call('LPUSH', KEYS[5], unpack(ARGV, before + 3))
end
redis.call('SET', KEYS[1], count, 'EX', ARGV[1])
return count - before
