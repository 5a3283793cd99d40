-- Gives back what Redis has lost of a breaker (it was flushed, or a replica that was behind has taken over).
--
-- KEYS 1-4 and ARGV 1-4 as in state.lua; ARGV 5 born, 6 version, 7 epoch and 8 circuit of the state that a process knows,
--      9 for how many ms it stays open, 10 its mode, 11 for how many ms that holds ('': until somebody changes it)
-- Returns the state
--
-- Only what nobody has moved on from is replaced: the hash is gone, or older (also where the process has opened its own
-- circuit while Redis was away), or was made anew and has seen no transition.
local b = open_hash()
local born, version, epoch, circuit = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local left_ms, mode, mode_ms = tonumber(ARGV[9]), ARGV[10], ARGV[11]
local WHY = 'Redis had lost it'

local function is_behind()
  local its_born = number(b, 'born')
  if its_born == born then return number(b, 'version') < version or b.epoch < epoch end
  return its_born < born or (b.epoch == 0 and b.mode == 'auto')
end

if is_behind() then
  put(b, 'version', math.max(number(b, 'version'), version))
  if epoch > b.epoch then
    b.epoch = epoch
    put_news(b, 'epoch', epoch)
  end
  if circuit ~= 'closed' and b.circuit == 'closed' then
    put(b, 'trips', math.max(number(b, 'trips'), 1))
    move(b, 'open', WHY)
    stay_open(b, left_ms)
  end
  if mode ~= 'auto' and b.mode == 'auto' then
    set_mode(b, mode, mode_ms == '' and 0 or now + tonumber(mode_ms), WHY, '')
  end
end
return save(b)
