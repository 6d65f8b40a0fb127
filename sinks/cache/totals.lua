-- add sums an exact decimal into t, in limbs of six digits, of which a double
-- holds every such sum exactly.
local function add(t, text)
  local sign, whole, fraction = string.match(text, '^(-?)(%d+)%.?(%d*)$')
  local high, low = 0, tonumber(string.sub(whole, -6))
  if #whole > 6 then high = tonumber(string.sub(whole, 1, -7)) end
  local micro = 0
  if fraction ~= '' then micro = tonumber(fraction .. string.sub('000000', #fraction + 1)) end
  if sign == '-' then high, low, micro = -high, -low, -micro end
  t[1], t[2], t[3] = t[1] + high, t[2] + low, t[3] + micro
end

local function carry(t)
  local c = math.floor(t[3] / 1000000)
  t[2], t[3] = t[2] + c, t[3] - c * 1000000
  c = math.floor(t[2] / 1000000)
  t[1], t[2] = t[1] + c, t[2] - c * 1000000
end

-- show returns t as an exact decimal without trailing zeros.
local function show(t)
  carry(t)
  local text = ''
  if t[1] < 0 then
    text = '-'
    t[1], t[2], t[3] = -t[1], -t[2], -t[3]
    carry(t)
  end
  if t[1] > 0 then
    text = text .. string.format('%.0f%06d', t[1], t[2])
  else
    text = text .. string.format('%d', t[2])
  end
  if t[3] == 0 then return text end
  return text .. '.' .. (string.gsub(string.format('%06d', t[3]), '0+$', ''))
end

-- totals returns the sums over the locations in hash, nil if there is none. What is
-- no number counts as none: a stranger wrote it, and a replay overwrites or drops it.
local function totals(hash)
  local any = false
  local total, sellable = {0, 0, 0}, {0, 0, 0}
  for field, value in pairs(hash) do
    if string.sub(field, 1, 10) == 'available:' and string.match(value, '^-?%d+%.?%d*$') then
      any = true
      add(total, value)
      if string.byte(value) ~= 45 then add(sellable, value) end
    end
  end
  if any then return show(total), show(sellable) end
end
