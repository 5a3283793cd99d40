-- Which of the tasks that wait for a breaker may go now: as probes until it is closed, then at the ramp's rate.
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; from ARGV 5 the tasks' ids, which are the tokens of their probes
-- Returns those that may go, in their order
local b = open_hash()
local TASK, FIRST_SHARE, BURST_S = 1000000, 0.1, 0.25
local going = {}

-- Which part of the rate is allowed at this point of the ramp.
local function share()
  local left_ms, ramp_seconds = number(b, 'ramp_until') - now, b.policy.ramp_seconds
  if left_ms <= 0 or ramp_seconds <= 0 then return 1 end
  return FIRST_SHARE + (1 - FIRST_SHARE) * (1 - math.min(1, left_ms / 1000 / ramp_seconds))
end

-- The allowance grows at the rate of this moment, up to a burst: in whole millionths, so that no fraction is lost.
local function allowance()
  local kept, filled_at = number(b, 'allowance'), number(b, 'filled_at')
  local rate = b.policy.ramp_per_second * share()
  local grown = math.floor(rate * (now - filled_at) * (TASK / 1000))
  if grown <= 0 then
    put(b, 'filled_at', math.min(filled_at, now))
    return kept
  end
  put(b, 'filled_at', now)
  return math.min(math.floor(math.max(1, rate * BURST_S) * TASK), kept + grown)
end

local function let_in()
  local kept = allowance()
  local count = math.min(#ARGV - 4, math.floor(kept / TASK))
  put(b, 'allowance', kept - count * TASK)
  for i = 1, count do going[i] = ARGV[4 + i] end
end

local function let_probe()
  for i = 5, #ARGV do
    if probe(b, ARGV[i]) then going[#going + 1] = ARGV[i] end
  end
end

if b.mode ~= 'isolated' then
  if b.mode ~= 'auto' or b.circuit == 'closed' then let_in() else let_probe() end
end
save(b)
return going
