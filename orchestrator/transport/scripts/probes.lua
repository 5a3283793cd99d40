-- Which of the messages that wait for a breaker may find out if it is back: those that somebody claims soon.
--
-- KEYS  1 what waits for this breaker, 2 aside-messages
-- ARGV  1 how many are wanted; then the lists that are claimed from
-- Returns their ids: of the first that wait, then of some at random; where none of these goes into such a list, the first.
--
-- It writes nothing. Whatever else waits stands in nobody's way: a probe in a paused queue is none.

local WAITING, MESSAGES = unpack(KEYS)
local LOOKED_AT = 20

local wanted, claimed, seen, found = tonumber(ARGV[1]), {}, {}, {}
for i = 2, #ARGV do claimed[ARGV[i]] = true end

local function is_claimed(id)
  local value = redis.call('HGET', MESSAGES, id)
  return value and claimed[string.sub(value, 1, string.find(value, '\n', 1, true) - 1)]
end

local function look_at(ids)
  for _, id in ipairs(ids) do
    if #found == wanted then return end
    if not seen[id] and is_claimed(id) then found[#found + 1] = id end
    seen[id] = true
  end
end

local first = redis.call('ZRANGE', WAITING, 0, math.max(wanted, LOOKED_AT) - 1)
look_at(first)
if #found < wanted then look_at(redis.call('ZRANDMEMBER', WAITING, LOOKED_AT)) end
return #found > 0 and found or {unpack(first, 1, math.min(wanted, #first))}
