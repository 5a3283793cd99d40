-- A worker that starts says which schema of the keys it knows.
--
-- KEYS  1 schema
-- ARGV  1 the schema that this worker knows
-- Returns nothing when it may work: the schema is its own, or was older or absent and is its own now; otherwise what
-- stands there, untouched.
--
-- Invariant: the schema is never lowered.
local found = redis.call('GET', KEYS[1])
if found == ARGV[1] then return false end
if found and not (tonumber(found) and tonumber(found) < tonumber(ARGV[1])) then return found end
-- The first write must be one that a full Redis allows: it then lets the next one through.
redis.call('DEL', KEYS[1] .. ':none')
redis.call('SET', KEYS[1], ARGV[1])
return false
