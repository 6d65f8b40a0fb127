-- Applies levels to the hashes of their SKUs and moves the place.
--
-- KEYS  place, one hash per SKU
-- ARGV  expected place, new place, "1" in a replay, channel, number of fields
--       to read, then per SKU: sku, number of levels, and per level: location,
--       version, available ("" for gone)
--
-- Returns the place when it is not the expected one, and has changed nothing.
-- Otherwise {SKUs done, levels applied, levels stale}. Fewer SKUs than given are
-- done when their hashes have too many fields; the place has not moved then.
local held, mark = place(KEYS[1])
if held ~= ARGV[1] then return held end
local replay = ARGV[3] == '1'
mark = replay and ':' .. mark or ''
local channel, budget = ARGV[4], tonumber(ARGV[5])
local applied, stale, at = 0, 0, 6

-- update applies count levels, which begin at ARGV[at], to the fields of hash and
-- notes in change what to write.
local function update(change, hash, at, count)
  for i = at, at + 3 * count - 1, 3 do
    local field, number, version, available = 'version:' .. ARGV[i], 'available:' .. ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local old = hash[field]
    if old and not replay and string.sub(old, 1, #version) >= version then
      stale = stale + 1
    else
      applied = applied + 1
      put(change, hash, field, version .. mark)
      if available == '' then available = nil end
      if hash[number] ~= available then
        change.numbers = true
        put(change, hash, number, available)
      end
    end
  end
end

local changes, k = {}, 2
while k <= #KEYS and budget > 0 do
  local hash, fields = read(KEYS[k])
  local count, change = tonumber(ARGV[at + 1]), new(KEYS[k], ARGV[at])
  update(change, hash, at + 2, count)
  if change.numbers then finish(change, hash) end
  changes[#changes + 1] = change
  at, k, budget = at + 2 + 3 * count, k + 1, budget - fields - count
end
write(KEYS[1], held, k > #KEYS and ARGV[2] or held, changes, channel)
return {k - 2, applied, stale}
