-- The letters whose replay is somewhere in Redis: waiting, delayed, set aside, in flight; all at one moment.
--
-- KEYS  1 claims, 2 delayed:messages, 3 aside-messages, 4 what stock workers hold, 5 outbox, 6 outcomes; from 7 the lists
-- ARGV  1 how many messages may be looked at, 2 how many bytes Redis may need for them, 3 what stands before a letter's id
--       in its message
-- Returns their ids; false when there are more messages, or outbox or outcomes hold something: then nobody knows.
local HASHES, OUTBOX, OUTCOMES, FIRST_LIST, WINDOW, SAMPLES = 4, 5, 6, 7, 500, 20
local most, most_bytes, before = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]

local function is_list(name) return redis.call('TYPE', name).ok == 'list' end

local messages, bytes = 0, 0

local function weigh(name, length)
  messages = messages + length
  bytes = bytes + (redis.call('MEMORY', 'USAGE', name, 'SAMPLES', SAMPLES) or 0)
end

for number = 1, HASHES do weigh(KEYS[number], redis.call('HLEN', KEYS[number])) end
for number = FIRST_LIST, #KEYS do
  if is_list(KEYS[number]) then weigh(KEYS[number], redis.call('LLEN', KEYS[number])) end
end
if messages > most or bytes > most_bytes then return false end
for number = OUTBOX, OUTCOMES do
  if redis.call('EXISTS', KEYS[number]) == 1 and redis.call('XLEN', KEYS[number]) > 0 then return false end
end

local found = {}

local function look(raw)
  local _, last = string.find(raw, before, 1, true)
  if last then found[#found + 1] = string.match(raw, '^[^"]*', last + 1) end
end

for number = 1, HASHES do
  for _, raw in ipairs(redis.call('HVALS', KEYS[number])) do look(raw) end
end
for number = FIRST_LIST, #KEYS do
  if is_list(KEYS[number]) then
    for first = 0, redis.call('LLEN', KEYS[number]) - 1, WINDOW do
      for _, raw in ipairs(redis.call('LRANGE', KEYS[number], first, first + WINDOW - 1)) do look(raw) end
    end
  end
end
return found
