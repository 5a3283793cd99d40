-- Takes the transitions that no worker has told of yet: each is taken by exactly one, whoever asks first.
--
-- KEYS[1] string: the id of the last entry that was taken
-- KEYS[2] stream of the transitions
-- ARGV[1] how many entries at most
-- ARGV[2] how old they may be, in ms: what happened while no worker lived is told by the history alone
-- Returns the entries, the oldest first, each as {id, {field, value, …}}.
--
-- What is taken by a worker that dies before it has sent it is sent by nobody: events are news, the stream is the record.

local oldest = string.format('%.0f', now - ARGV[2])
local last = redis.call('GET', KEYS[1])
local from = oldest
if last and tonumber(string.match(last, '^%d+')) >= tonumber(oldest) then
  from = '(' .. last
end
local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[1])
if #entries > 0 then
  redis.call('SET', KEYS[1], entries[#entries][1], 'PX', 2 * ARGV[2])
end
return entries
