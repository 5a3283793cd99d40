-- How many messages of each list wait for their time: one bounded step of the count, which sends no message anywhere.
--
-- KEYS  1 delayed:messages
-- ARGV  1 cursor ('0' begins), 2 about how many messages this step looks at
-- Returns {next cursor ('0': that was all), list, number, list, number, …}
--
-- It writes nothing. What comes or goes between two steps is counted or not, as with every HSCAN.
local step = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local numbers = {}
for i = 2, #step[2], 2 do
  local value = step[2][i]
  local list = string.match(value, '^[^\n]*')
  numbers[list] = (numbers[list] or 0) + 1
end
local answer = {step[1]}
for list, number in pairs(numbers) do
  answer[#answer + 1] = list
  answer[#answer + 1] = number
end
return answer
