-- How many messages of each list a hash holds: one bounded step of the count, which sends no message anywhere.
--
-- KEYS  1 delayed:messages, or claims
-- ARGV  1 cursor ('0' begins), 2 about how many messages this step looks at, 3 the header of which the lowest number of
--       each list is wanted ('': of none)
-- Returns {next cursor ('0': that was all), list, how many, lowest number ('': none), list, …}
--
-- It writes nothing. What comes or goes between two steps is counted or not, as with every HSCAN.
local header = ARGV[3] ~= '' and '"' .. ARGV[3] .. '"'

-- JSON escapes quotes in texts: with bare ones around it this is the name of a field.
local function number_in(value)
  local _, last = string.find(value, header, 1, true)
  local number = last and tonumber(string.match(value, '^%s*:%s*([%d.eE+-]+)', last + 1))
  return number and math.abs(number) < math.huge and number
end

local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local counts, lowest = {}, {}
for i = 2, #step[2], 2 do
  local value = step[2][i]
  local list = string.match(value, '^[^\n]*')
  counts[list] = (counts[list] or 0) + 1
  local number = header and number_in(value)
  if number then lowest[list] = math.min(number, lowest[list] or number) end
end
local answer = {step[1]}
for list, count in pairs(counts) do
  answer[#answer + 1] = list
  answer[#answer + 1] = count
  answer[#answer + 1] = lowest[list] and string.format('%.3f', lowest[list]) or ''
end
return answer
