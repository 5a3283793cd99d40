-- How many messages wait for some breakers, and since when: none of them is sent.
--
-- KEYS  1 aside-messages; from 2 what waits for each breaker
-- Returns for each breaker: how many wait, and the `since` of the one whose wait ends first ('': it does not say)
--
-- It writes nothing.

-- JSON escapes quotes in texts: with bare ones around it this is the name of a field.
local function since(message)
  local _, last = string.find(message, '"omninode-aside"', 1, true)
  if last then _, last = string.find(message, '"since"', last + 1, true) end
  return last and string.match(message, '^%s*:%s*(%d+%.?%d*)', last + 1) or ''
end

local answer = {}
for i = 2, #KEYS do
  local count = redis.pcall('ZCARD', KEYS[i])
  -- What is something else holds no messages.
  if type(count) ~= 'number' then count = 0 end
  local first = count > 0 and redis.call('ZRANGE', KEYS[i], 0, 0)[1]
  local message = first and redis.call('HGET', KEYS[1], first)
  answer[#answer + 1] = count
  answer[#answer + 1] = message and since(message) or ''
end
return answer
