-- Makes a window of each minute but the present one, or of that too: what is counted from then on is of another window.
--
-- Nothing is counted in a minute that is over. Nor does one that lies ahead, after the clock was set back, wait for its
-- time to come: should it, its second window has another id. Of one whose counts have expired there is a window without
-- any, so that whoever folds tells that it was lost.
--
-- KEYS  1 minutes, 2 windows; ARGV  1 what stands before the names of hashes, 2 whether also of the present minute (0, 1)
-- Returns the present minute, by Redis's clock

-- The first write must be one that a full Redis allows: it then lets all the others of the script through.
redis.call('DEL', ARGV[1] .. 'none')

local present = math.floor(redis.call('TIME')[1] / 60)

for _, minute in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local open = ARGV[1] .. 'minute:' .. minute
  if ARGV[2] == '1' or minute ~= tostring(present) then
    local id = redis.call('HGET', open, 'id')
    -- Listed before it has this name: what a reader finds missing it looks for again.
    redis.call('ZADD', KEYS[2], minute, minute .. ':' .. (id or 'gone'))
    if id then redis.call('RENAME', open, ARGV[1] .. 'window:' .. minute .. ':' .. id) end
    redis.call('ZREM', KEYS[1], minute)
  end
end
return present
