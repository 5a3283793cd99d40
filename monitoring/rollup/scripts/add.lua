-- Adds what a process has recorded to the present minute and to the totals, once however often it is sent.
--
-- KEYS[1]  what stands before the names of the metrics' keys
-- KEYS[2]  string: the number of the batch that this process has added last
-- ARGV[1]  the number of this batch, from 1 up
-- ARGV[2]  how long that number is kept, in seconds
-- ARGV[3…] rows of four: field, the one to use instead where there are too many, count or durations, value
--
-- Returns 1, or 0 where this batch had been added before.
--
-- Durations (see `orchestrator/tally/fields.py`) are exact up to 2^53 microseconds together, which is 285 years.

if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then return 0 end
-- First: what fails below is not added twice. Where nothing can be written, this fails, and nothing has changed.
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])

local HEAD = 4

local function numbers_of(text)
  local found = {}
  for number in string.gmatch(text, '%S+') do found[#found + 1] = tonumber(number) end
  return found
end

local function text_of(numbers)
  local words = {}
  for at, number in ipairs(numbers) do words[at] = string.format('%.0f', number) end
  return table.concat(words, ' ')
end

local function merged(stored, more)
  local both, counts, indices = {stored[1] + more[1], stored[2] + more[2]}, {}, {}
  both[3] = math.min(stored[3], more[3])
  both[4] = math.max(stored[4], more[4])
  for _, part in ipairs({stored, more}) do
    for at = HEAD + 1, #part, 2 do
      local index = part[at]
      if not counts[index] then indices[#indices + 1] = index end
      counts[index] = (counts[index] or 0) + part[at + 1]
    end
  end
  table.sort(indices)
  for _, index in ipairs(indices) do
    both[#both + 1] = index
    both[#both + 1] = counts[index]
  end
  return both
end

local function metrics_lengthen(hashes, field, instead, value)
  local more = numbers_of(value)
  for _, hash in ipairs(hashes) do
    local kept = metrics_field(hash, field, instead)
    local stored = redis.call('HGET', hash, kept)
    redis.call('HSET', hash, kept, stored and text_of(merged(numbers_of(stored), more)) or value)
  end
end

local counted_in = metrics_counted_in(KEYS[1], redis.call('TIME'))
for at = 3, #ARGV, 4 do
  local field, instead, kind, value = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  if kind == 'durations' then
    metrics_lengthen(counted_in, field, instead, value)
  else
    metrics_count(counted_in, field, instead, value)
  end
end
return 1
