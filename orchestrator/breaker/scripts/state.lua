-- What the scripts of a breaker share: they read, change, write and publish its state by these functions only.
--
-- The hash of a breaker; times are ms of Redis's clock, what is absent is 0 or ''. No hash: closed and clean.
--   born, version  when the hash was made, and how many changes a process had to hear of since: they order states
--   epoch          grows with every transition of the circuit: a result of another epoch counts for nothing
--   circuit, at    closed (''), open or half_open, and since when; why: why it changed last
--   opened_by      open: the process whose call or command has opened it; '' where it was open already, or given back
--   failures       closed: in a row, until now
--   trips          how often it has opened since it was last closed for long: the open time doubles with each
--   tripped        how often it has opened in all; tripped_at: when last
--   until, lasts   open: when a probe is allowed, and how long that is from its beginning
--   succeeded      half-open: probes that went well
--   closed_at, ramp_until  when it was closed, and when the ramp ends
--   allowance, filled_at   millionths of a waiting task that may go, and until when that has been worked out
--   mode, mode_until       auto ('') or what was set by hand, and when that ends (0: when somebody ends it);
--   mode_at, mode_who, mode_why  when, by whom and why it was set
--   error, error_at        the last failure that was reported
--   policy, policy_id      the fleet's policy as JSON, and its fingerprint
--   seen:<policy_id>       '<first> <last>': when a process registered with that policy
-- Its probes: sorted set, token → when the lease ends. Its window: hash, <bucket>:<o, f or s> → calls that went well,
-- failed, and were slow; a bucket is a tenth of the window.
--
-- Most scripts begin with KEYS 1 hash, 2 probes, 3 window, 4 history; ARGV 1 the breaker's name, 2 the channel, 3 a policy
-- as JSON, and 4 its fingerprint, which are used where the hash has none. They return the state as JSON: State's fields,
-- lengths of time in ms (`left_ms`).
--
-- Their first write is one that a full Redis allows: it lets all the others through, so that a circuit can still open.
-- A state is stored before it is told of. A clock that was set back (another server has taken over) makes nothing last
-- longer than a whole open time, lease, ramp or window from then on.

local LIFE_S = 2592000
local HISTORY = 10000
local BUCKETS = 10
local SPARE_MS = 60000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function ms(seconds) return math.floor(seconds * 1000 + 0.5) end

local function number(b, field) return tonumber(b.fields[field]) or 0 end

local function put(b, field, value)
  b.fields[field] = value
  b.changed[field] = value
end

-- A change that every process has to hear of.
local function put_news(b, field, value)
  put(b, field, value)
  b.is_news = true
end

local function read(name, hash, probes)
  local b = {name = name, hash = hash, probes = probes, fields = {}, changed = {}, events = {}, is_news = false}
  local found = redis.call('HGETALL', hash)
  for i = 1, #found, 2 do b.fields[found[i]] = found[i + 1] end
  b.circuit = b.fields.circuit or 'closed'
  b.mode = b.fields.mode or 'auto'
  b.epoch = number(b, 'epoch')
  return b
end

-- The policy, and from a whole one what a release that stored it did not know yet; nil where it is none.
local function decode(policy, whole)
  local is_json, value = pcall(cjson.decode, policy)
  if not is_json or type(value) ~= 'table' then return nil end
  for field, usual in pairs(whole or {}) do
    if value[field] == nil then value[field] = usual end
  end
  return value
end

-- Whether a condition of the policy is one: null turns it off.
local function given(value) return value ~= nil and value ~= cjson.null end

-- An event for the history: of the circuit, the mode, or the policy.
local function tell(b, from, to, why, who, error)
  b.events[#b.events + 1] = {
    'name', b.name, 'from', from, 'to', to, 'epoch', b.epoch, 'why', why, 'who', who or '', 'error', error or '', 'at', now,
  }
end

local function set_mode(b, mode, mode_until, why, who)
  tell(b, b.mode, mode, why, who)
  b.mode = mode
  put_news(b, 'mode', mode)
  put(b, 'mode_until', mode_until)
  put(b, 'mode_at', now)
  put(b, 'mode_who', who)
  put(b, 'mode_why', why)
end

local function end_mode(b, why, who)
  if b.mode ~= 'auto' then set_mode(b, 'auto', 0, why, who) end
end

-- Drops what has ended by itself: a mode, and leases; a lease longer than a whole one is of a clock that was set back.
local function drop_ended(b)
  local mode_until = number(b, 'mode_until')
  if mode_until > 0 and mode_until <= now then end_mode(b, 'its time is over', '') end
  if b.circuit == 'half_open' then
    redis.call('ZREMRANGEBYSCORE', b.probes, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', b.probes, '(' .. now + ms(b.policy.probe_lease_seconds), '+inf')
  end
  if b.circuit == 'open' and number(b, 'until') - now > number(b, 'lasts') then
    put_news(b, 'until', now + number(b, 'lasts'))
  end
end

local function first_lease_end(b)
  return tonumber(redis.call('ZRANGEBYSCORE', b.probes, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2])
end

local function has_free_probe(b)
  local alive = redis.call('ZCOUNT', b.probes, '(' .. now, '+inf')
  return alive == 0 or alive + number(b, 'succeeded') < b.policy.probes
end

local function is_full(b) return b.circuit == 'half_open' and not has_free_probe(b) end

-- The breaker that a script's KEYS and ARGV name, as it is now; only for scripts that write.
local function open_hash()
  redis.call('HDEL', KEYS[1], '-')
  local b = read(ARGV[1], KEYS[1], KEYS[2])
  b.window = KEYS[3]
  local given_policy = cjson.decode(ARGV[3])
  b.policy = b.fields.policy and decode(b.fields.policy, given_policy)
  if not b.policy then
    b.policy = given_policy
    if ARGV[4] ~= '' then
      put(b, 'policy', ARGV[3])
      put_news(b, 'policy_id', ARGV[4])
    end
  end
  drop_ended(b)
  b.was_full = is_full(b)
  return b
end

local function left_ms(b)
  if b.circuit == 'open' then return math.max(0, math.min(number(b, 'until') - now, number(b, 'lasts'))) end
  if is_full(b) then return first_lease_end(b) - now end
  return 0
end

-- The state as everybody is told of it.
local function view(b)
  local mode, mode_until, closed = b.mode, number(b, 'mode_until'), b.circuit == 'closed'
  -- Where nobody has written since.
  if mode_until > 0 and mode_until <= now then mode, mode_until = 'auto', 0 end
  local ramp_ms = ms(b.policy.ramp_seconds)
  return cjson.encode({
    name = b.name, circuit = b.circuit, born = number(b, 'born'), version = number(b, 'version'), epoch = b.epoch,
    left_ms = left_ms(b), ramp_left_ms = closed and math.max(0, math.min(number(b, 'ramp_until') - now, ramp_ms)) or 0,
    has_failures = closed and number(b, 'failures') > 0,
    mode = mode, mode_left_ms = mode_until > 0 and mode_until - now or cjson.null,
    policy = b.fields.policy_id or '', why = b.fields.why or '',
    opened_by = b.fields.opened_by or '',
  })
end

-- The tenth of a window that is filled now.
local function bucket_now(b) return math.floor(now / math.floor(ms(b.policy.window_seconds) / BUCKETS)) end

-- The window's calls that went well (o), failed (f) and were slow (s), and the fields that have fallen out of it: old ones,
-- and those of the future, which are of a clock that was set back.
local function window_calls(b)
  local last, calls, fallen, found = bucket_now(b), {o = 0, f = 0, s = 0}, {}, redis.call('HGETALL', b.window)
  for i = 1, #found, 2 do
    local bucket, kind = string.match(found[i], '^(%d+):(%a)$')
    if tonumber(bucket) <= last - BUCKETS or tonumber(bucket) > last then
      fallen[#fallen + 1] = found[i]
    else
      calls[kind] = calls[kind] + tonumber(found[i + 1])
    end
  end
  return calls, fallen
end

-- Stores what has changed, tells of it, and returns the state.
local function save(b)
  -- Where all probes are under way nobody needs to ask, and where one has become free somebody may.
  if is_full(b) ~= b.was_full then b.is_news = true end
  if b.is_news then put(b, 'version', number(b, 'version') + 1) end
  if next(b.changed) then
    if not b.fields.born then put(b, 'born', now) end
    local values = {}
    for field, value in pairs(b.changed) do
      values[#values + 1] = field
      values[#values + 1] = value
    end
    redis.call('HSET', b.hash, unpack(values))
    redis.call('EXPIRE', b.hash, LIFE_S)
  end
  local state = view(b)
  if b.is_news then redis.call('PUBLISH', ARGV[2], state) end
  -- A history that cannot be written is no reason to leave a circuit as it was.
  for _, event in ipairs(b.events) do redis.pcall('XADD', KEYS[4], 'MAXLEN', '~', HISTORY, '*', unpack(event)) end
  return state
end
