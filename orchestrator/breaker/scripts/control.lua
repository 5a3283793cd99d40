-- Changes a breaker by hand; opening, closing and resetting end a mode too: what was said last holds.
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; KEYS 5 breakers; ARGV 5 action, 6 who, 7 why, 8 for how many ms ('': until it is
--      changed, an opening as long as a first trip's), 9 chance in [0, 1), 10 the process that tells
-- Returns the state
local b = open_hash()
local action, who, length_ms, chance = ARGV[5], ARGV[6], tonumber(ARGV[8]), tonumber(ARGV[9])
local why = ARGV[7] == '' and 'by hand' or 'by hand: ' .. ARGV[7]
local MODES = {isolate = 'isolated', disable = 'disabled', shadow = 'shadow'}
local act = {}

function act.open()
  trip(b, ARGV[10], chance, 0, why, who)
  stay_open(b, length_ms or opens_ms(b, 1, chance))
end

function act.close()
  close(b, 0, why, who)
end

function act.reset()
  move(b, 'closed', why, who)
  local numbers = {'trips', 'closed_at', 'ramp_until', 'allowance', 'filled_at', 'tripped', 'tripped_at', 'error_at'}
  for _, field in ipairs(numbers) do put(b, field, 0) end
  put(b, 'error', '')
end

if MODES[action] then
  set_mode(b, MODES[action], length_ms and now + length_ms or 0, why, who)
else
  end_mode(b, why, who)
  act[action]()
end
-- It is in the list, so that it is seen before the first process registers it.
redis.call('ZADD', KEYS[5], math.floor(now / 1000), b.name)
return save(b)
