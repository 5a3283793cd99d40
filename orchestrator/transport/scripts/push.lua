-- Some rows of a producer's chunk, pushed at once, and once only.
--
-- KEYS  1 marker of this chunk: how many of its rows were pushed, and the digest of all rows up to there, 2 delayed,
--       3 delayed:messages, 4 changes, 5 list; where the messages go to several lists, from 5 the list of each
-- ARGV  1 how long the marker lives, in s, 2 delay in ms (0: none), 3 how many rows of the chunk come before these,
--       4 the digests up to each row of the whole chunk, joined ('': do not compare), 5 a digest's length, 6 how many
--       rows these are; then their messages, in order: one a row, or all of a single row
-- Returns how many messages were pushed: none when these rows were pushed before, and where the chunk has grown only
-- what is new; -1 when what was pushed before was other rows, or more of them, than this chunk has: nothing is written.
--
-- Invariant: the marker is written last, and with it the rows are there: a producer that has lost the reply may repeat
-- the call. A full Redis refuses the first write, and the producer is told.
local pushed, known = string.match(redis.call('GET', KEYS[1]) or '0', '^(%d+) ?(.*)$')
local before, first, size, rows = tonumber(pushed), tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local function digest(row) return string.sub(ARGV[4], (row - 1) * size + 1, row * size) end

if known ~= '' and ARGV[4] ~= '' and digest(before) ~= known then return -1 end
if first + rows <= before then return 0 end

local FIRST_MESSAGE = 7
local skipped, count, delay_ms = math.max(before - first, 0), #ARGV - FIRST_MESSAGE + 1, tonumber(ARGV[2])
local function list_of(number) return KEYS[4 + number] or KEYS[5] end

-- Its row, and the place in it of a row's second and later messages.
local function id_of(number)
  local id = KEYS[1] .. ':' .. first + math.min(number, rows)
  return number > rows and id .. '.' .. number - rows or id
end

local function delay()
  local clock = redis.call('TIME')
  local due = clock[1] * 1000 + math.floor(clock[2] / 1000) + delay_ms
  local bodies, scores = {}, {}
  for number = skipped + 1, count do
    local id = id_of(number)
    bodies[#bodies + 1] = id
    bodies[#bodies + 1] = list_of(number) .. '\n' .. ARGV[FIRST_MESSAGE - 1 + number]
    scores[#scores + 1] = string.format('%.0f', due)
    scores[#scores + 1] = id
  end
  redis.call('ZADD', KEYS[2], unpack(scores))
  redis.call('HSET', KEYS[3], unpack(bodies))
  redis.call('INCR', KEYS[4])
end

local function push()
  local names, messages = {}, {}
  for number = skipped + 1, count do
    local list = list_of(number)
    if not messages[list] then
      names[#names + 1] = list
      messages[list] = {}
    end
    table.insert(messages[list], ARGV[FIRST_MESSAGE - 1 + number])
  end
  -- Before the first write: what fails half-way would be pushed once more.
  for _, list in ipairs(names) do
    local kind = redis.call('TYPE', list).ok
    if kind ~= 'none' and kind ~= 'list' then
      return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value: ' .. list)
    end
  end
  for _, list in ipairs(names) do redis.call('LPUSH', list, unpack(messages[list])) end
end

local refusal
if delay_ms > 0 then delay() else refusal = push() end
if refusal then return refusal end
redis.call('SET', KEYS[1], first + rows .. ' ' .. digest(first + rows), 'EX', ARGV[1])
return count - skipped
