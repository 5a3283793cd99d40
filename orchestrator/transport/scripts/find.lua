-- Where a text stands in a list, a hash or a stream: one bounded step of the search, which sends only what holds it.
--
-- KEYS  1 the list, hash or stream
-- ARGV  1 where to go on ('' begins), 2 about how many entries this step looks at, 3 about how many bytes of them: it ends
--       with whichever comes first; then the texts, one of which is wanted
-- Returns {where to go on ('': that was all), place, value, …}: of a list the place counts from its left end, of a hash it
--         is the field, of a stream the entry's id; a stream's value is that of the field that holds the text
--
-- It writes nothing. In a list it goes from the end that is pushed to towards the end that is claimed from: what waits
-- for the whole search is seen, perhaps twice. What moves meanwhile may be missed.
local key, from, most, most_bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local FIRST_TEXT = 4
local kind = redis.call('TYPE', key).ok
local answer = {''}
local entries, bytes = 0, 0

local function look(place, value)
  bytes = bytes + #value
  for i = FIRST_TEXT, #ARGV do
    if string.find(value, ARGV[i], 1, true) then
      answer[#answer + 1] = place
      answer[#answer + 1] = value
      return
    end
  end
end

-- Each takes about so many entries from a place, and returns how many it saw and where to go on, '' at the end.
local take = {}

function take.list(first, window)
  first = tonumber(first) or 0
  local values = redis.call('LRANGE', key, first, first + window - 1)
  for i, value in ipairs(values) do look(first + i - 1, value) end
  return #values, #values == window and string.format('%.0f', first + window) or ''
end

function take.hash(cursor, window)
  local step = redis.call('HSCAN', key, cursor == '' and '0' or cursor, 'COUNT', window)
  for i = 1, #step[2], 2 do look(step[2][i], step[2][i + 1]) end
  return #step[2] / 2, step[1] ~= '0' and step[1] or ''
end

function take.stream(last, window)
  local found = redis.call('XRANGE', key, last == '' and '-' or '(' .. last, '+', 'COUNT', window)
  for _, entry in ipairs(found) do
    for i = 2, #entry[2], 2 do look(entry[1], entry[2][i]) end
  end
  return #found, #found == window and found[window][1] or ''
end

-- The window grows from one: what is large is not fetched by the hundred.
local window = 1
while take[kind] and entries < most and bytes < most_bytes do
  local seen
  seen, from = take[kind](from, math.min(window, most - entries))
  entries = entries + math.max(seen, 1)
  window = window * 2
  if from == '' then break end
end
answer[1] = take[kind] and from or ''
return answer
