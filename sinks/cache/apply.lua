-- Applies levels to the hashes of their SKUs and moves the place.
--
-- KEYS  place, one hash per SKU
-- ARGV  expected place, new place, "1" in a replay, channel, then per SKU: sku,
--       number of levels (of different locations), per level the fields of its
--       version and its number, and again per level: version, available ("" for gone)
--
-- Returns the place when it is not the expected one, and has changed nothing.
-- Otherwise {levels applied, levels stale}.
local before, mark = place(KEYS[1])
if before ~= ARGV[1] then return before end
local replay = ARGV[3] == '1'
mark = replay and ':' .. mark or ''
local applied, stale = 0, 0

-- recount returns the totals of the whole hash that a change is about, after it.
local function recount(change)
  local hash = read(change.key)
  for i = 1, #change.set, 2 do hash[change.set[i]] = change.set[i + 1] end
  for _, field in ipairs(change.removed) do hash[field] = nil end
  return sum(hash)
end

-- update returns the change of a hash by levels, whose fields begin at ARGV[at].
local function update(change, at, levels)
  local values = at + 2 * levels
  local held = ask('HMGET', change.key, 'available', 'sellable', 'locations', unpack(ARGV, at, values - 1))
  local totals = parse(held[1], held[2], held[3])
  for i = 0, 2 * levels - 2, 2 do
    local old, version = held[i + 4], ARGV[values + i]
    if old and not replay and string.sub(old, 1, #version) >= version then
      stale = stale + 1
    else
      applied = applied + 1
      put(change, ARGV[at + i], version .. mark)
      local number, available = held[i + 5] or nil, ARGV[values + i + 1]
      if available == '' then available = nil end
      if number ~= available then
        if number and not valid(number) then totals = nil end
        if totals and number then count(totals, number, -1) end
        if totals and available then count(totals, available, 1) end
        change.numbers = true
        put(change, ARGV[at + i + 1], available)
      end
    end
  end
  if change.numbers then finish(change, held[1], held[2], held[3], totals or recount(change)) end
  return change
end

local changes, at = {}, 5
for k = 2, #KEYS do
  local levels = tonumber(ARGV[at + 1])
  changes[k - 1] = update(new(KEYS[k], ARGV[at]), at + 2, levels)
  at = at + 2 + 4 * levels
end
write(KEYS[1], before, ARGV[2], changes, ARGV[4])
return {applied, stale}
