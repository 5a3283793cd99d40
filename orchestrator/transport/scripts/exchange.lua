-- One round trip of a worker: settle what has finished, return expired leases, move what is due, claim.
--
-- KEYS  1 claims, 2 leases, 3 started, 4 delayed, 5 delayed:messages, 6 deliveries, 7 outbox, 8 changes, 9 paused,
--       10 pulse, 11 quiet, 12 sentries, 13 reserves, 14 outcomes, 15 aside-messages, 16 asides, 17 what stands before a
--       breaker's name in the key of what waits for it, 18 what stands before the keys of counts; from 19 the lists to claim from, one group per priority, each
--       group in the order of the queues' names in ARGV
-- ARGV  1 how many messages are wanted, 2 how many of them can start at once, 3 lease in ms,
--       4 prefix of the new claims' ids, 5 number of queues, 6 the worker's token ('' = it does not wait here),
--       7 its role while it waited (0 none, 1 sentry, 2 reserve), 8 how long it will wait in ms, 9 number of groups of done ids,
--       10 number of started ids; then the queues' names, the groups of done ids (under which field they are counted,
--       number, ids), the started ids, and settlements: name, claim id, under which field it is counted ('' = not),
--       number of arguments, arguments
-- Returns {settlements that came too late, ms until something falls due (-1: ask again at once),
--          role while waiting (0: do not wait), counter of changes, {index of list, raw, deliveries, …},
--          {name of a list that refuses messages, …}, {number of a message, when it was first claimed in Unix s, …}}
--
-- Invariant: at every moment a message is in a list, in `claims`, in `delayed:messages` or in `aside-messages`, and a letter
-- is in the outbox, and the outcome of a replay in `outcomes`, before its message leaves `claims`. So each step first writes
-- where a message goes and removes it from where it was LAST: what stops the script half-way leaves a message twice, never
-- nowhere. A lease, a due time and the end of a wait are written before what they belong to and removed after it: one that
-- belongs to nothing ends by itself, but a claim without a lease, or a waiting message without its time, would stay for ever.
-- The claim id is the fencing token: a settlement of a claim that has been returned finds nothing and does nothing.
-- A list whose name holds something else refuses what is pushed. Its messages then stay where they are (a claim until its
-- lease ends, and then for another while; what is due becomes due later), and everything else goes on.

-- The first write must be one that a full Redis allows: it then lets all the others of the script through.
redis.call('DEL', KEYS[10] .. ':none')

local CLAIMS, LEASES, STARTED, DELAYED, BODIES, DELIVERIES, OUTBOX, CHANGES, PAUSED, PULSE, QUIET, SENTRIES, RESERVES,
  OUTCOMES, ASIDE_MESSAGES, ASIDES, ASIDE, METRICS = unpack(KEYS, 1, 18)
local FIRST_LIST = 19
local MAX_RETURNED, MAX_MOVED, MAX_SENTRIES = 100, 200, 3
local DELIVERIES_TTL_S, WAKE_TTL_S = 604800, 60
-- When what a list has refused is tried again.
local REFUSED_MS = 60000

local want, free, lease_ms, prefix = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local queues, token, role, wait_ms = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local group_count, started_count = tonumber(ARGV[9]), tonumber(ARGV[10])
local position = 11

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function take(count)
  if count == 0 then return {} end
  position = position + count
  return {unpack(ARGV, position - count, position - 1)}
end

local function split(value)
  local cut = string.find(value, '\n', 1, true)
  return string.sub(value, 1, cut - 1), string.sub(value, cut + 1)
end

local function drop(id)
  redis.call('SREM', STARTED, id)
  redis.call('HDEL', CLAIMS, id)
  redis.call('ZREM', LEASES, id)
end

local refusing = {}

local function refuses(list)
  for _, name in ipairs(refusing) do
    if name == list then return end
  end
  refusing[#refusing + 1] = list
end

-- Returns whether it is in the list now.
local function push(command, list, raw)
  local answer = redis.pcall(command, list, raw)
  if type(answer) == 'number' then return true end
  refuses(list)
  return false
end

-- Beside a count, under its name and this: when the first of these deliveries was claimed.
local FIRST = ':first'

local function forget_deliveries(raw)
  local digest = redis.sha1hex(raw)
  redis.call('HDEL', DELIVERIES, digest, digest .. FIRST)
end

-- A claim's id says when it was asked for.
local function count_delivery(raw, id)
  local digest, at = redis.sha1hex(raw), string.match(id, '^[^-]+%-%d+%-(%d+)%-%d+$')
  if at and redis.call('HEXISTS', DELIVERIES, digest .. FIRST) == 0 then
    redis.call('HSET', DELIVERIES, digest .. FIRST, at)
  end
  redis.call('HINCRBY', DELIVERIES, digest, 1)
  redis.call('EXPIRE', DELIVERIES, DELIVERIES_TTL_S)
end

-- The same message in other bytes: it keeps its count. From when its time counts is in these bytes.
local function carry_deliveries(raw, new_raw)
  local count = raw ~= new_raw and redis.call('HGET', DELIVERIES, redis.sha1hex(raw))
  if not count then return end
  redis.call('HSET', DELIVERIES, redis.sha1hex(new_raw), count)
  forget_deliveries(raw)
end

local function delay(id, due, list, raw)
  local first = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', DELAYED, string.format('%.0f', due), id)
  redis.call('HSET', BODIES, id, list .. '\n' .. raw)
  if not first or due < tonumber(first) then redis.call('INCR', CHANGES) end
end

-- Of what is counted, that which really left this worker's claims in this step: counts are as exact as settlements.
-- What keeps them from being written keeps no message from being settled.
local counted_in
local NOT_TOLD_APART = '["outcome","other","other","other",""]'

local function count(field, number)
  if field == '' or number == 0 then return end
  pcall(function()
    counted_in = counted_in or metrics_counted_in(METRICS, clock)
    metrics_count(counted_in, field, NOT_TOLD_APART, number)
  end)
end

local late = 0

local function settle_done(field, ids)
  if #ids == 0 then return end
  redis.call('SREM', STARTED, unpack(ids))
  local removed = redis.call('HDEL', CLAIMS, unpack(ids))
  late = late + #ids - removed
  redis.call('ZREM', LEASES, unpack(ids))
  count(field, removed)
end

local function settle_groups()
  for _ = 1, group_count do
    local field, number = ARGV[position], tonumber(ARGV[position + 1])
    position = position + 2
    settle_done(field, take(number))
  end
end

-- Each returns false where the message could not be moved: the claim then stays until its lease ends.
local settle = {}

-- A message that had been delivered before is done: forget the count.
function settle.done(id, value)
  local _, raw = split(value)
  forget_deliveries(raw)
end

-- The replay of a letter is done; args: fields and values of the entry that says what became of it.
function settle.resolve(id, value, args)
  redis.call('XADD', OUTCOMES, '*', unpack(args))
  settle.done(id, value)
end

-- A dead letter; args: fields and values of the outbox entry.
function settle.bury(id, value, args)
  local _, raw = split(value)
  args[#args + 1] = 'raw'
  args[#args + 1] = raw
  redis.call('XADD', OUTBOX, '*', unpack(args))
  forget_deliveries(raw)
end

-- Back to the end that is claimed next; no delivery is counted.
function settle.release(id, value)
  return push('RPUSH', split(value))
end

-- Back to the end of the queue, and a delivery is counted.
function settle.reject(id, value)
  local list, raw = split(value)
  if not push('LPUSH', list, raw) then return false end
  count_delivery(raw, id)
end

-- Put back, changed and perhaps later; args: delay in ms, list ('' = the same), message ('' = the same).
function settle.again(id, value, args)
  local list, raw = split(value)
  local after_ms, new_list, new_raw = tonumber(args[1]), args[2], args[3]
  if new_list == '' then new_list = list end
  local changed = new_raw ~= ''
  if not changed then new_raw = raw end
  if after_ms > 0 then
    delay(id, now + after_ms, new_list, new_raw)
  elseif not push('LPUSH', new_list, new_raw) then
    return false
  end
  if changed then forget_deliveries(raw) end
end

-- Set aside until a circuit closes; args: breaker, when its wait ends in ms from now, the id under which it waits, and the
-- message as it waits. Where another message has this id, it waits under that of its claim.
function settle.aside(id, value, args)
  local list, raw = split(value)
  local breaker, limit_ms, aside, new_raw = args[1], tonumber(args[2]), args[3], args[4]
  local waiting = list .. '\n' .. new_raw
  local there = redis.call('HGET', ASIDE_MESSAGES, aside)
  if there and there ~= waiting then aside = id end
  redis.call('SADD', ASIDES, breaker)
  local added = redis.pcall('ZADD', ASIDE .. breaker, string.format('%.0f', now + limit_ms), aside)
  if type(added) ~= 'number' then
    refuses(ASIDE .. breaker)
    return false
  end
  redis.call('HSET', ASIDE_MESSAGES, aside, waiting)
  carry_deliveries(raw, new_raw)
end

-- Claims whose reply never reached the worker: `id` is their prefix; args: how many there can be.
local function release_unknown(id, args)
  for i = tonumber(args[1]), 1, -1 do
    local claim = id .. string.format('%04d', i)
    local value = redis.call('HGET', CLAIMS, claim)
    if value and settle.release(claim, value) then drop(claim) end
  end
end

local function settle_others()
  while position <= #ARGV do
    local name, id, field, number = ARGV[position], ARGV[position + 1], ARGV[position + 2], tonumber(ARGV[position + 3])
    position = position + 4
    local args = take(number)
    if name == 'unknown' then
      release_unknown(id, args)
    else
      local value = redis.call('HGET', CLAIMS, id)
      if not value then
        late = late + 1
      elseif settle[name](id, value, args) ~= false then
        drop(id)
        count(field, 1)
      end
    end
  end
end

local function mark_started(ids)
  for _, id in ipairs(ids) do
    if redis.call('HEXISTS', CLAIMS, id) == 1 then redis.call('SADD', STARTED, id) end
  end
end

-- Workers renew several times a lease, and each time they are heard here. A silence that long means that this server
-- was away (or another one took over, or its clock jumped), not that they are dead: nothing is returned for one lease.
local function listen()
  local heard = tonumber(redis.call('GET', PULSE) or 0)
  if math.abs(now - heard) > lease_ms / 2 then redis.call('SET', QUIET, 1, 'PX', lease_ms) end
  if math.abs(now - heard) > lease_ms / 10 then redis.call('SET', PULSE, now) end
end

-- Youngest first, so that the oldest ends up nearest to the end that is claimed from.
local function return_expired()
  if redis.call('EXISTS', QUIET) == 1 then return end
  for _, id in ipairs(redis.call('ZREVRANGEBYSCORE', LEASES, now, '-inf', 'LIMIT', 0, MAX_RETURNED)) do
    local value = redis.call('HGET', CLAIMS, id)
    local list, raw
    if value then list, raw = split(value) end
    if value and not push('RPUSH', list, raw) then
      redis.call('ZADD', LEASES, now + REFUSED_MS, id)
    else
      if value and redis.call('SISMEMBER', STARTED, id) == 1 then count_delivery(raw, id) end
      drop(id)
    end
  end
end

-- What is due has waited long enough: it goes to the end that is claimed next, the earliest foremost.
local function move_due()
  local ids = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, MAX_MOVED)
  local moved = {}
  for i = #ids, 1, -1 do
    local value = redis.call('HGET', BODIES, ids[i])
    if value and not push('RPUSH', split(value)) then
      redis.call('ZADD', DELAYED, string.format('%.0f', now + REFUSED_MS), ids[i])
    else
      moved[#moved + 1] = ids[i]
    end
  end
  if #moved > 0 then
    redis.call('HDEL', BODIES, unpack(moved))
    redis.call('ZREM', DELAYED, unpack(moved))
  end
end

local function paused_queues(names)
  local paused = {}
  if redis.call('EXISTS', PAUSED) == 1 then
    for i, name in ipairs(names) do
      if redis.call('SISMEMBER', PAUSED, name) == 1 then paused[i] = true end
    end
  end
  return paused
end

local claimed, claimed_count, firsts = {}, 0, {}

-- How often a message was delivered before; of one that was, the moment of the first time is noted for the answer.
local function deliveries_of(raw)
  local digest = redis.sha1hex(raw)
  local count = redis.call('HGET', DELIVERIES, digest)
  local first = count and redis.call('HGET', DELIVERIES, digest .. FIRST)
  if first then
    firsts[#firsts + 1] = claimed_count
    firsts[#firsts + 1] = tonumber(first)
  end
  return tonumber(count or 0)
end

local function claim_from(index, count, counted)
  local list = KEYS[index]
  local messages = redis.pcall('LRANGE', list, -count, -1)
  if messages.err then refuses(list) end
  if #messages == 0 then return 0 end
  local values, leases, started = {}, {}, {}
  for i = #messages, 1, -1 do
    claimed_count = claimed_count + 1
    local id = prefix .. string.format('%04d', claimed_count)
    values[#values + 1] = id
    values[#values + 1] = list .. '\n' .. messages[i]
    leases[#leases + 1] = now + lease_ms
    leases[#leases + 1] = id
    if claimed_count <= free then started[#started + 1] = id end
    claimed[#claimed + 1] = index - FIRST_LIST
    claimed[#claimed + 1] = messages[i]
    claimed[#claimed + 1] = counted and deliveries_of(messages[i]) or 0
  end
  redis.call('ZADD', LEASES, unpack(leases))
  redis.call('HSET', CLAIMS, unpack(values))
  if #started > 0 then redis.call('SADD', STARTED, unpack(started)) end
  redis.call('RPOP', list, #messages)
  return #messages
end

-- Within a priority every queue first gets an equal share, then what others left over. Returns what is still wanted.
local function claim(names)
  if want <= 0 or queues == 0 then return want end
  local paused = paused_queues(names)
  local counted = redis.call('EXISTS', DELIVERIES) == 1
  for first = FIRST_LIST, #KEYS, queues do
    local more = {}
    local share = queues > 1 and math.ceil(want / queues) or want
    for i = 1, queues do
      local count = paused[i] and 0 or math.min(share, want)
      if count > 0 then
        local got = claim_from(first + i - 1, count, counted)
        want = want - got
        more[i] = got == count
      end
    end
    for i = 1, queues do
      if queues > 1 and more[i] and want > 0 then want = want - claim_from(first + i - 1, want, counted) end
    end
  end
  return want
end

local function ms_until_due()
  local due = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
  local lease = redis.call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')[2]
  local quiet_ms = math.max(redis.call('PTTL', QUIET), 0)
  local next_ms = math.min(due and due - now or wait_ms, lease and math.max(lease - now, quiet_ms) + 20 or wait_ms, wait_ms)
  return math.max(next_ms, 1)
end

-- Who waits longest comes first, and before it those that have gone: to wake one of them would wake nobody.
local function wake_a_reserve()
  local next_up, waits_until
  repeat
    next_up, waits_until = unpack(redis.call('ZPOPMIN', RESERVES))
  until not next_up or tonumber(waits_until) > now
  if next_up then redis.call('SET', RESERVES .. ':' .. next_up, 1, 'EX', WAKE_TTL_S) end
end

-- Not those that have gone, nor this worker: after a lost link its place may outlive its role.
local function others_are_idle()
  for _, place in ipairs({SENTRIES, RESERVES}) do
    local idle = redis.call('ZCOUNT', place, '(' .. now, '+inf')
    if idle > 1 then return true end
    if idle == 1 and tonumber(redis.call('ZSCORE', place, token) or 0) <= now then return true end
  end
  return false
end

-- Of the idle workers of these queues only a few, the sentries, watch the lists; the others, the reserves, watch a key of
-- their own and are woken one by one, when a sentry stops being idle or leaves messages behind.
local function wait(left_over)
  if left_over > 0 and free > claimed_count then
    redis.call('ZREMRANGEBYSCORE', SENTRIES, '-inf', now)
    if redis.call('ZSCORE', SENTRIES, token) or redis.call('ZCARD', SENTRIES) < MAX_SENTRIES then
      redis.call('ZADD', SENTRIES, now + wait_ms + 2000, token)
      if role == 2 then redis.call('ZREM', RESERVES, token) end
      return 1
    end
    redis.call('ZREMRANGEBYSCORE', RESERVES, '-inf', now)
    redis.call('ZADD', RESERVES, now + wait_ms + 2000, token)
    return 2
  end
  if role == 1 then redis.call('ZREM', SENTRIES, token) end
  if role == 2 then redis.call('ZREM', RESERVES, token) end
  if left_over == 0 then wake_a_reserve() end
  return 0
end

local names = take(queues)
settle_groups()
mark_started(take(started_count))
settle_others()
listen()
return_expired()
move_due()
if role == 2 then redis.call('DEL', RESERVES .. ':' .. token) end
-- While others are idle, nobody takes more than it can start at once.
if want > free and token ~= '' and others_are_idle() then want = math.max(free, 0) end
local wanted = want
local left_over = claim(names)
local due_ms, new_role = -1, 0
if wanted > 0 and left_over > 0 then due_ms = ms_until_due() end
-- A worker that waited and can start nothing now leaves its place, and passes on what woke it.
if token ~= '' and (wanted > 0 or role > 0) then new_role = wait(left_over) end
return {late, due_ms, new_role, redis.call('GET', CHANGES) or '0', claimed, refusing, firsts}
