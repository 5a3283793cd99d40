-- Makes a breaker known to the fleet, settles which policy it goes by, and forgets names that nobody uses.
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; KEYS 5 breakers; ARGV 5 how many names there may be; 6, 7, 8 what the names of
--      hashes, probes and windows begin with; 9 for how many ms it is remembered who had which policy
-- Returns {state, policy as JSON}
--
-- The newer policy wins: one that the fleet does not remember replaces the one that is stored, one that was first seen
-- before that one does not.
local b = open_hash()
local names, most, memory_ms = KEYS[5], tonumber(ARGV[5]), tonumber(ARGV[9])
local mine, stored = ARGV[4], b.fields.policy_id or ''
local MOST_SEEN, MOST_EVICTED = 16, 100

-- When each policy was seen first and last; one that was not seen for long is forgotten.
local function remembered()
  local seen, count, oldest = {}, 0, nil
  for field, value in pairs(b.fields) do
    local id = string.match(field, '^seen:(.*)$')
    if id then
      local first, last = string.match(value, '^(%d+) (%d+)$')
      seen[id] = {first = tonumber(first), last = tonumber(last)}
      if now - seen[id].last > memory_ms then
        redis.call('HDEL', b.hash, field)
        seen[id] = nil
      else
        count = count + 1
        if id ~= stored and id ~= mine and (not oldest or seen[id].last < seen[oldest].last) then oldest = id end
      end
    end
  end
  if count > MOST_SEEN and oldest then redis.call('HDEL', b.hash, 'seen:' .. oldest) end
  return seen
end

local function settle()
  local seen = remembered()
  local known, rival = seen[mine], seen[stored]
  local first = known and known.first or now
  put(b, 'seen:' .. mine, string.format('%.0f %.0f', first, now))
  if mine == stored or (known and rival and known.first <= rival.first) then return end
  tell(b, stored, mine, 'another policy, which was first seen later', '', '')
  put(b, 'policy', ARGV[3])
  put_news(b, 'policy_id', mine)
  b.policy = decode(ARGV[3])
  -- Its buckets may be of another length.
  redis.call('DEL', b.window)
end

-- A breaker that is open, or was set by hand, keeps its state: it only leaves the list.
local function forget(name)
  local hash = ARGV[6] .. name
  if redis.call('TYPE', hash).ok ~= 'hash' then return end
  local circuit, mode = unpack(redis.call('HMGET', hash, 'circuit', 'mode'))
  if (circuit or 'closed') == 'closed' and (mode or 'auto') == 'auto' then
    redis.call('DEL', hash, ARGV[7] .. name, ARGV[8] .. name)
  end
end

local function list()
  redis.call('ZADD', names, math.floor(now / 1000), b.name)
  local spare = redis.call('ZCARD', names) - most
  if spare <= 0 then return end
  for _, name in ipairs(redis.call('ZRANGE', names, 0, math.min(spare, MOST_EVICTED) - 1)) do
    if name ~= b.name then
      redis.call('ZREM', names, name)
      forget(name)
    end
  end
end

settle()
list()
return {save(b), b.fields.policy}
