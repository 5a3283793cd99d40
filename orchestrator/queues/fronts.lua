-- How many messages each list has, and since when the one that is claimed next waits; no message is sent anywhere.
--
-- KEYS  the lists
-- ARGV  the names of headers: 1 when it was enqueued, 2 its failed attempts, 3 that it was set aside
-- Returns {seconds of Redis's clock as text, then of each list: its length, when it was enqueued as a number in text, its
-- eta, its last failed attempt, since when it was set aside, and 1 if it is a task's message; '' and 0: it does not say}
--
-- It writes nothing.

-- JSON escapes quotes in texts: with bare ones around it this is the name of a field.
local function after(message, name)
  local _, last = string.find(message, '"' .. name .. '"', 1, true)
  return last and string.match(message, '^%s*:%s*()', last + 1)
end

local function number(message, name)
  local at = after(message, name)
  return at and string.match(message, '^[%d.eE+-]+', at) or ''
end

local function moment(message, at)
  return at and string.match(message, '^"([%d:.TZ+-]+)"', at) or ''
end

-- Attempts are lists that begin with their moments; the last one is the newest.
local function last_attempt(message)
  local at, found = after(message, ARGV[2]), ''
  if not at then return found end
  for each in string.gmatch(string.sub(message, at), '%["(%d%d%d%d%-%d%d%-%d%dT[%d:.Z+-]+)"') do found = each end
  return found
end

local function set_aside(message)
  local at = after(message, ARGV[3])
  local inside = at and string.match(message, '^{[^}]*}', at)
  return inside and number(inside, 'since') or ''
end

local clock = redis.call('TIME')
local answer = {clock[1] .. '.' .. string.format('%06d', clock[2])}
for _, list in ipairs(KEYS) do
  local length, message = redis.call('LLEN', list), redis.call('LINDEX', list, -1) or ''
  local is_task = after(message, 'delivery_tag') and after(message, 'task')
  for _, each in ipairs({length, number(message, ARGV[1]), moment(message, after(message, 'eta')), last_attempt(message),
    set_aside(message), is_task and 1 or 0}) do answer[#answer + 1] = each end
end
return answer
