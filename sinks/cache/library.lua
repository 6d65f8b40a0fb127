-- place returns the place, '' for none, and the mark of the last replay.
local function place(key)
  local held = redis.call('HMGET', key, 'at', 'mark')
  return held[1] or '', held[2] or ''
end

-- read returns the fields of a hash, and how many there are.
local function read(key)
  local flat, hash = redis.pcall('HGETALL', key), {}
  if flat.err then error('cannot read key ' .. key .. ': ' .. flat.err) end
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  return hash, #flat / 2
end

-- new returns a change of a hash: fields to set and to remove, and whether a
-- number is among them.
local function new(key, sku)
  return {key = key, sku = sku, set = {}, removed = {}, numbers = false}
end

-- put sets a field in a hash and in its change, or removes it when value is nil.
local function put(change, hash, field, value)
  hash[field], change.set[field] = value, value
  change.removed[field] = value == nil or nil
end

-- finish adds the totals to a change, hash being what the change makes of it.
local function finish(change, hash)
  local available, sellable = totals(hash)
  if hash['available'] ~= available then put(change, hash, 'available', available) end
  if hash['sellable'] ~= sellable then put(change, hash, 'sellable', sellable) end
end

-- most is how many arguments one command gets: unpack takes less than 8,000.
local most = 4000

local function each(command, key, list)
  for i = 1, #list, most do
    redis.call(command, key, unpack(list, i, math.min(i + most - 1, #list)))
  end
end

-- write writes changes, publishes the SKUs whose numbers changed, and moves the
-- place from held to to. Whatever can go wrong with the data has gone wrong before:
-- everything is read and added up first.
--
-- Commands that need memory are refused when it is short, and so is every write
-- to a replica or to a server that cannot persist, but only up to a script's first
-- write. The first one here changes nothing, so a script does all or nothing. A
-- command that an access rule forbids may still fail halfway: the place comes last,
-- and in each hash the versions do, so that the repetition does all that is left.
local function write(key, held, to, changes, channel)
  redis.call('HSET', key, 'at', held)
  for _, change in ipairs(changes) do
    if change.numbers then redis.call('PUBLISH', channel, change.sku) end
    local removed, set = {}, {}
    for field in pairs(change.removed) do removed[#removed + 1] = field end
    for field, value in pairs(change.set) do
      local n = #set
      set[n + 1], set[n + 2] = field, value
    end
    each('HDEL', change.key, removed)
    each('HSET', change.key, set)
  end
  if to ~= held then redis.call('HSET', key, 'at', to) end
end
