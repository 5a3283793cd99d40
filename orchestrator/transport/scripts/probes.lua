-- Which of the messages that wait for a breaker may find out if it is back: those that somebody claims soon.
--
-- KEYS  1 what waits for this breaker, 2 aside-messages
-- ARGV  1 how many are wanted, 2 a number that chance begins with; then the lists that are claimed from
-- Returns their ids: some of the first hundred by chance, then of all that wait; where none of these goes into such a list,
-- of the first hundred.
--
-- It writes nothing. Whatever else waits stands in nobody's way: a probe in a paused queue is none. Nor is the one that
-- waits longest always the probe: what fails by itself would keep the circuit open for ever.

local WAITING, MESSAGES = unpack(KEYS)
local FIRST, MORE = 100, 20

local wanted, claimed, seen, found = tonumber(ARGV[1]), {}, {}, {}
for i = 3, #ARGV do claimed[ARGV[i]] = true end

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

math.randomseed(tonumber(ARGV[2]))
local first = redis.call('ZRANGE', WAITING, 0, math.max(wanted, FIRST) - 1)
for i = #first, 2, -1 do
  local other = math.random(i)
  first[i], first[other] = first[other], first[i]
end
look_at(first)
if #found < wanted then look_at(redis.call('ZRANDMEMBER', WAITING, MORE)) end
return #found > 0 and found or {unpack(first, 1, math.min(wanted, #first))}
