-- Counts calls that have ended, all of one epoch, the successes before the failures; opens or closes the circuit.
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; ARGV 5 epoch, 6 token of the probe ('': none), 7 how many went well, 8 were slow,
--      9 failed, 10 the last failure, 11 for how many ms the dependency asked to be left alone, 12 chance in [0, 1),
--      13 how many went well before failures in a row were known of: they count in the window alone;
--      14 the process that tells
-- Returns the state. Calls of another epoch, and a probe whose lease has ended, count for nothing.
local b = open_hash()
local epoch, token, ok, slow, failed = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local error, asked_ms, chance, earlier = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local policy = b.policy

local function note_error()
  if failed == 0 then return end
  put(b, 'error', error)
  put(b, 'error_at', now)
end

local function open(why)
  trip(b, ARGV[14], chance, asked_ms, why, '', error)
end

-- Counts in the window, and returns its calls: all, failed and slow.
local function count()
  local bucket = bucket_now(b)
  for kind, calls in pairs({o = ok + earlier, f = failed, s = slow}) do
    if calls > 0 then redis.call('HINCRBY', b.window, string.format('%.0f:%s', bucket, kind), calls) end
  end
  redis.call('PEXPIRE', b.window, 2 * ms(policy.window_seconds) + SPARE_MS)
  local calls, fallen = window_calls(b)
  if #fallen > 0 then redis.call('HDEL', b.window, unpack(fallen)) end
  return calls.o + calls.f, calls.f, calls.s
end

-- Why the circuit has to open, if it has to.
local function grounds()
  local failures = number(b, 'failures')
  if given(policy.failure_threshold) and failures >= policy.failure_threshold then
    return failures .. (failures == 1 and ' failure' or ' failures') .. ' in a row'
  end
  if not given(policy.failure_rate) and not given(policy.slow_rate) then return end
  local calls, failures_of_them, slow_of_them = count()
  if calls < policy.minimum_calls then return end
  if given(policy.failure_rate) and failures_of_them / calls >= policy.failure_rate then
    return failures_of_them .. ' of ' .. calls .. ' calls failed'
  end
  if given(policy.slow_rate) and slow_of_them / calls >= policy.slow_rate then
    return slow_of_them .. ' of ' .. calls .. ' calls were slow'
  end
end

local function closed()
  if ok + earlier + failed == 0 then return end
  local before = number(b, 'failures')
  local after = (ok > 0 and 0 or before) + failed
  if after ~= before then put(b, 'failures', after) end
  -- While failures are pending, successes are reported at once.
  if (after > 0) ~= (before > 0) then b.is_news = true end
  local why = grounds()
  if why then open(why) end
end

local function probed()
  if failed > 0 then return open('probe failed') end
  if slow > 0 and given(policy.slow_rate) then return open('probe was slow') end
  redis.call('ZREM', b.probes, token)
  if ok == 0 then return end
  local succeeded = number(b, 'succeeded') + 1
  put(b, 'succeeded', succeeded)
  if succeeded >= policy.probes then
    close(b, ms(policy.ramp_seconds), succeeded .. ' of ' .. policy.probes .. ' probes succeeded')
  end
end

if epoch == b.epoch and b.mode ~= 'disabled' then
  if b.circuit == 'closed' then
    note_error()
    closed()
  elseif b.circuit == 'half_open' and redis.call('ZSCORE', b.probes, token) then
    note_error()
    probed()
  end
end
return save(b)
