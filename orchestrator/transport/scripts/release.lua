-- Messages that were set aside for a breaker go to the ends of their lists that are claimed next, the first one foremost.
--
-- KEYS  1 what waits for this breaker, 2 aside-messages, 3 asides
-- ARGV  1 the breaker; then the ids of what is released, in the order in which it is to be claimed
-- Returns {how many messages are in their lists now, name of a list that refuses messages, …}
--
-- Invariant: a message is in its list before it leaves `aside-messages`, and the end of its wait goes last. An id without a
-- message is forgotten. A list whose name holds something else refuses what is pushed: the message waits on, behind others.
-- The breaker leaves `asides` when nothing waits for it any more.

-- The first write must be one that a full Redis allows: it then lets all the others of the script through.
redis.call('DEL', KEYS[2] .. ':none')

local WAITING, MESSAGES, ASIDES = unpack(KEYS)
local REFUSED_MS = 60000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local released, moved, answer = {}, 0, {0}

local function refuse(id, list)
  local ends = math.max(tonumber(redis.call('ZSCORE', WAITING, id) or 0), now)
  redis.call('ZADD', WAITING, string.format('%.0f', ends + REFUSED_MS), id)
  answer[#answer + 1] = list
end

for i = #ARGV, 2, -1 do
  local id = ARGV[i]
  local value = redis.call('HGET', MESSAGES, id)
  local list, pushed
  if value then
    local cut = string.find(value, '\n', 1, true)
    list = string.sub(value, 1, cut - 1)
    pushed = type(redis.pcall('RPUSH', list, string.sub(value, cut + 1))) == 'number'
  end
  if value and not pushed then
    refuse(id, list)
  else
    released[#released + 1] = id
    if pushed then moved = moved + 1 end
  end
end
if #released > 0 then
  redis.call('HDEL', MESSAGES, unpack(released))
  redis.call('ZREM', WAITING, unpack(released))
end
if redis.call('EXISTS', WAITING) == 0 then redis.call('SREM', ASIDES, ARGV[1]) end
answer[1] = moved
return answer
