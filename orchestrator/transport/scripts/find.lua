-- Where a text stands in a list, a hash or a stream: one bounded step of the search, which sends only what holds it.
--
-- KEYS  1 the list, hash or stream
-- ARGV  1 where to go on ('' begins), 2 about how many entries this step looks at; then the texts, one of which is wanted
-- Returns {where to go on ('': that was all), place, value, …}: of a list the place counts from its left end, of a hash it
--         is the field, of a stream the entry's id; a stream's value is that of the field that holds the text
--
-- It writes nothing. In a list it goes from the end that is pushed to towards the end that is claimed from: what waits
-- for the whole search is seen, perhaps twice. What moves meanwhile may be missed.
local key, from, most = KEYS[1], ARGV[1], tonumber(ARGV[2])
local kind = redis.call('TYPE', key).ok
local answer = {''}

local function look(place, value)
  for i = 3, #ARGV do
    if string.find(value, ARGV[i], 1, true) then
      answer[#answer + 1] = place
      answer[#answer + 1] = value
      return
    end
  end
end

if kind == 'list' then
  local first = tonumber(from) or 0
  local values = redis.call('LRANGE', key, first, first + most - 1)
  for i, value in ipairs(values) do look(first + i - 1, value) end
  if #values == most then answer[1] = string.format('%.0f', first + most) end
elseif kind == 'hash' then
  local step = redis.call('HSCAN', key, from == '' and '0' or from, 'COUNT', most)
  for i = 1, #step[2], 2 do look(step[2][i], step[2][i + 1]) end
  if step[1] ~= '0' then answer[1] = step[1] end
elseif kind == 'stream' then
  local entries = redis.call('XRANGE', key, from == '' and '-' or '(' .. from, '+', 'COUNT', most)
  for _, entry in ipairs(entries) do
    for i = 2, #entry[2], 2 do look(entry[1], entry[2][i]) end
  end
  if #entries == most then answer[1] = entries[most][1] end
end
return answer
