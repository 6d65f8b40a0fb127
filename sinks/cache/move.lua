-- Moves the place and, where a replay begins, names it.
--
-- KEYS  place
-- ARGV  expected place, new place, mark of the replay ("" to keep it)
--
-- Returns the place when it is not the expected one, and has changed nothing.
-- Otherwise {}.
local held = place(KEYS[1])
if held ~= ARGV[1] then return held end
if ARGV[3] == '' then
  redis.call('HSET', KEYS[1], 'at', ARGV[2])
else
  redis.call('HSET', KEYS[1], 'at', ARGV[2], 'mark', ARGV[3])
end
return {}
