-- The states of several breakers, without writing.
--
-- KEYS hash and probes of each; ARGV 1 the policy of one that has none, then their names
-- Returns a state for each; '' where there is none, or where something else has its name.
local unset, states = decode(ARGV[1]), {}

local function state(name, hash, probes)
  if redis.call('TYPE', hash).ok ~= 'hash' then return '' end
  local b = read(name, hash, probes)
  b.policy = b.fields.policy and decode(b.fields.policy, unset) or unset
  return view(b)
end

for i = 2, #ARGV do states[i - 1] = state(ARGV[i], KEYS[2 * i - 3], KEYS[2 * i - 2]) end
return states
