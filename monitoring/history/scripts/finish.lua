-- Windows are in PostgreSQL: in one step they leave those that wait, and all that is kept is told anew.
--
-- Nothing happens where another has begun to fold since: its figures are newer.
--
-- KEYS  1 folding, 2 windows, 3 folded, 4 kept, 5 totals, 6 minutes
-- ARGV  1 what stands before the names of hashes, 2 the token that was written to `folding`,
--       3 for how many seconds folded windows are still read, 4 from how many fields on totals are cleared of names that
--       are gone, 5 number of windows; the windows; then of what is kept the fields and values, by turns
-- Returns {1 if it was done, or else 0, number of fields that totals were cleared of}

if redis.call('GET', KEYS[1]) ~= ARGV[2] then return {0, 0} end
-- The first write must be one that a full Redis allows: it then lets all the others of the script through.
redis.call('DEL', KEYS[1], KEYS[4])

local FIRST, MOST_ARGUMENTS = 6, 1000
local after = FIRST + ARGV[5]

for index = FIRST, after - 1 do
  local window = ARGV[index]
  redis.call('ZADD', KEYS[3], string.match(window, '^-?%d+'), window)
  redis.call('EXPIRE', ARGV[1] .. 'window:' .. window, ARGV[3])
  redis.call('ZREM', KEYS[2], window)
end
for _, window in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if redis.call('EXISTS', ARGV[1] .. 'window:' .. window) == 0 then redis.call('ZREM', KEYS[3], window) end
end
for index = after, #ARGV, MOST_ARGUMENTS do
  redis.call('HSET', KEYS[4], unpack(ARGV, index, math.min(index + MOST_ARGUMENTS - 1, #ARGV)))
end

if redis.call('HLEN', KEYS[5]) <= tonumber(ARGV[4]) then return {1, 0} end
local living = {KEYS[4]}
for _, minute in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do living[#living + 1] = ARGV[1] .. 'minute:' .. minute end
for _, window in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do living[#living + 1] = ARGV[1] .. 'window:' .. window end

local function is_gone(field)
  -- What is no array says something of the hash itself.
  if string.sub(field, 1, 1) ~= '[' then return false end
  for _, hash in ipairs(living) do
    if redis.call('HEXISTS', hash, field) == 1 then return false end
  end
  return true
end

local gone = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[5])) do
  if is_gone(field) then gone = gone + redis.call('HDEL', KEYS[5], field) end
end
if gone > 0 then redis.call('HINCRBY', KEYS[5], 'forgotten', gone) end
return {1, gone}
