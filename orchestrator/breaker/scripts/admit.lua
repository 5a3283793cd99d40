-- Whether a call may be made: a probe gets a lease; what has ended by itself is ended.
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; ARGV 5 the call's token ('': it can be no probe)
-- Returns {1 or 0, state}
local b = open_hash()

local function permitted()
  if b.mode == 'isolated' then return false end
  if b.mode == 'disabled' or b.circuit == 'closed' then return true end
  return probe(b, ARGV[5]) or b.mode == 'shadow'
end

return {permitted() and 1 or 0, save(b)}
