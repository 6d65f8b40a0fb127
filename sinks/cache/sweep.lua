-- Drops the numbers of the cells that the running replay has not written. Their
-- versions stay, as those of cells that are gone do. Totals that a stranger wrote
-- are put right.
--
-- KEYS  place, one hash per SKU
-- ARGV  expected place, channel, number of fields to read, then per SKU: sku
--
-- Returns the place when it is not the expected one, and has changed nothing.
-- Otherwise {SKUs done, numbers dropped}. Fewer SKUs than given are done when their
-- hashes have too many fields.
local before, mark = place(KEYS[1])
if before ~= ARGV[1] then return before end
local channel, budget, dropped = ARGV[2], tonumber(ARGV[3]), 0
mark = ':' .. mark

local changes, k = {}, 2
while k <= #KEYS and budget > 0 do
  local hash, fields = read(KEYS[k])
  local change = new(KEYS[k], ARGV[k + 2])
  for field in pairs(hash) do
    local location = string.match(field, '^available:(.*)$')
    if location and string.sub(hash['version:' .. location] or '', -#mark) ~= mark then
      put(change, field, nil)
    end
  end
  for _, field in ipairs(change.removed) do hash[field] = nil end
  dropped = dropped + #change.removed
  finish(change, hash['available'], hash['sellable'], hash['locations'], sum(hash))
  change.numbers = #change.removed > 0 or #change.set > 0
  if change.numbers then changes[#changes + 1] = change end
  k, budget = k + 1, budget - fields
end
if #changes > 0 then write(KEYS[1], before, before, changes, channel) end
return {k - 2, dropped}
