-- What scripts that count share: the minute of Redis's clock that they count in, and all minutes' totals.
--
-- A minute that is over is never written to again: whatever is told later counts for the minute in which it is told.
-- Each has an id: should the clock be set back, a second one of the same minute is told apart from the first.

local METRICS_MOST_FIELDS, METRICS_MINUTE_TTL_S = 10000, 86400

-- `prefix` is what stands before the keys' names; returns the hashes to count in.
local function metrics_counted_in(prefix, clock)
  local minute, totals = math.floor(clock[1] / 60), prefix .. 'totals'
  local open = prefix .. 'minute:' .. minute
  if redis.call('EXISTS', open) == 0 then
    redis.call('ZADD', prefix .. 'minutes', minute, minute)
    redis.call('HSET', open, 'id', clock[1] .. '.' .. clock[2])
    redis.call('EXPIRE', open, METRICS_MINUTE_TTL_S)
  end
  redis.call('HSETNX', totals, 'since', clock[1])
  return {open, totals}
end

-- How many fields there may be before this one. A producer may invent a name for every message: those that no worker
-- knows leave half of the room to the others.
local function metrics_room(field)
  return string.sub(field, -15) == '"unknown_task"]' and METRICS_MOST_FIELDS / 2 or METRICS_MOST_FIELDS
end

-- The field itself, or where there are too many and it is a new one, the one that the rest is counted under; how
-- often that was so is in the field `overflowed`.
local function metrics_field(hash, field, instead)
  if redis.call('HLEN', hash) < metrics_room(field) or redis.call('HEXISTS', hash, field) == 1 then return field end
  redis.call('HINCRBY', hash, 'overflowed', 1)
  return instead
end

local function metrics_count(hashes, field, instead, count)
  for _, hash in ipairs(hashes) do redis.call('HINCRBY', hash, metrics_field(hash, field, instead), count) end
end
