-- Moves the place and, where a replay begins, names it.
--
-- KEYS  place
-- ARGV  expected place, new place, mark of the replay ("" to keep it)
--
-- Returns the place when it is not the expected one, and has changed nothing.
-- Otherwise {}.
local before = place(KEYS[1])
if before ~= ARGV[1] then return before end
if ARGV[3] == '' then
  redis.call('HSET', KEYS[1], 'at', ARGV[2])
else
  redis.call('HSET', KEYS[1], 'at', ARGV[2], 'mark', ARGV[3])
end
return {}
