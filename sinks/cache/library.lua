-- place returns the place, '' for none, and the mark of the last replay.
local function place(key)
  local fields = redis.call('HMGET', key, 'at', 'mark')
  return fields[1] or '', fields[2] or ''
end

-- ask reads a hash.
local function ask(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if reply.err then error('cannot read key ' .. key .. ': ' .. reply.err) end
  return reply
end

-- read returns a whole hash, and how many fields it has.
local function read(key)
  local flat, hash = ask('HGETALL', key), {}
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  return hash, #flat / 2
end

-- A change is what to do with a hash: lists of fields and values to set, and of
-- fields to remove, and whether a number is among them.
local function new(key, sku)
  return {key = key, sku = sku, set = {}, removed = {}, numbers = false}
end

-- put sets a field, or removes it when value is nil.
local function put(change, field, value)
  local list = value and change.set or change.removed
  local n = #list
  list[n + 1], list[n + 2] = field, value
end

-- finish puts totals into a change where they are others than those that there are.
local function finish(change, available, sellable, locations, totals)
  local a, s, l
  if totals[LOCATIONS] > 0 then a, s, l = show(totals, AVAILABLE), show(totals, SELLABLE), format('%d', totals[LOCATIONS]) end
  if a ~= (available or nil) then put(change, 'available', a) end
  if s ~= (sellable or nil) then put(change, 'sellable', s) end
  if l ~= (locations or nil) then put(change, 'locations', l) end
end

-- most is how many arguments one command gets: unpack takes less than 8,000.
local most = 4000

local function each(command, key, list)
  for i = 1, #list, most do
    redis.call(command, key, unpack(list, i, math.min(i + most - 1, #list)))
  end
end

-- write writes changes, publishes the SKUs whose numbers changed, and moves the
-- place from before to after. Whatever can go wrong with the data has gone wrong
-- already: everything is read and added up first.
--
-- Commands that need memory are refused when it is short, and so is every write
-- to a replica or to a server that cannot persist, but only up to a script's first
-- write. The first one here changes nothing, so a script does all or nothing. A
-- command that an access rule forbids may still fail halfway: the place comes last,
-- and in each hash the versions do, so that the repetition does all that is left.
local function write(key, before, after, changes, channel)
  redis.call('HSET', key, 'at', before)
  for _, change in ipairs(changes) do
    if change.numbers then redis.call('PUBLISH', channel, change.sku) end
    each('HDEL', change.key, change.removed)
    each('HSET', change.key, change.set)
  end
  if after ~= before then redis.call('HSET', key, 'at', after) end
end
