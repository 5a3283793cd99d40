-- How a circuit moves: it opens, lets probes find out whether the dependency is back, and closes; here and nowhere else.

local function move(b, circuit, why, who, error)
  b.epoch = b.epoch + 1
  tell(b, b.circuit, circuit, why, who, error)
  b.circuit = circuit
  put_news(b, 'circuit', circuit)
  put(b, 'epoch', b.epoch)
  put(b, 'at', now)
  put(b, 'why', why)
  put(b, 'opened_by', '')
  put(b, 'failures', 0)
  put(b, 'succeeded', 0)
  redis.call('DEL', b.probes, b.window)
end

local function opens_ms(b, trips, chance)
  local doubled = ms(b.policy.open_seconds) * 2 ^ math.min(trips - 1, 60)
  return math.floor(math.min(doubled, ms(b.policy.open_cap_seconds)) * (1 + b.policy.open_jitter * chance))
end

local function stay_open(b, length_ms)
  put_news(b, 'until', now + length_ms)
  put(b, 'lasts', length_ms)
end

-- A circuit that has stayed closed for long begins anew; one that is opened once more, by hand, has not tripped again.
local function next_trips(b)
  if b.circuit == 'open' then return number(b, 'trips') end
  if b.circuit == 'closed' and now - number(b, 'closed_at') >= ms(b.policy.open_cap_seconds) then return 1 end
  return number(b, 'trips') + 1
end

-- Opens the circuit, for `least_ms` at least; `origin` is the process that has it opened, and counts it.
local function trip(b, origin, chance, least_ms, why, who, error)
  local trips, was_open = next_trips(b), b.circuit == 'open'
  move(b, 'open', why, who, error)
  if not was_open then put(b, 'opened_by', origin) end
  put(b, 'trips', trips)
  put(b, 'tripped', number(b, 'tripped') + 1)
  put(b, 'tripped_at', now)
  put(b, 'ramp_until', 0)
  stay_open(b, math.max(opens_ms(b, trips, chance), least_ms))
end

local function close(b, ramp_ms, why, who)
  move(b, 'closed', why, who)
  put(b, 'closed_at', now)
  put(b, 'ramp_until', now + ramp_ms)
  put(b, 'allowance', 0)
  put(b, 'filled_at', now)
end

-- Whether the call with this token may be made as a probe: it gets a lease, or has its own renewed.
local function probe(b, token)
  if token == '' then return false end
  if b.circuit == 'open' then
    if number(b, 'until') > now then return false end
    move(b, 'half_open', 'open time is over')
  end
  if not redis.call('ZSCORE', b.probes, token) and not has_free_probe(b) then return false end
  local lease_ms = ms(b.policy.probe_lease_seconds)
  redis.call('ZADD', b.probes, now + lease_ms, token)
  redis.call('PEXPIRE', b.probes, lease_ms + SPARE_MS)
  return true
end
