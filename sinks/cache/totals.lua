local byte, floor, format = string.byte, math.floor, string.format

-- Totals are a list: available as millions, units and millionths, of which a double
-- holds every sum exactly; sellable likewise; and the number of locations.
local AVAILABLE, SELLABLE, LOCATIONS = 1, 4, 7

local function none() return {0, 0, 0, 0, 0, 0, 0} end

-- add adds an exact decimal, times sign, to the amount that begins at t[i].
local function add(t, i, text, sign)
  local n = tonumber(text)
  if n > -1e9 and n < 1e9 then
    -- A double below 10^9 is exact to less than half a millionth.
    local units = floor(n)
    t[i + 1], t[i + 2] = t[i + 1] + sign * units, t[i + 2] + sign * floor((n - units) * 1000000 + 0.5)
    return
  end
  local minus, whole, fraction = string.match(text, '^(-?)(%d+)%.?(%d*)$')
  if minus == '-' then sign = -sign end
  t[i] = t[i] + sign * tonumber(string.sub(whole, 1, -7))
  t[i + 1] = t[i + 1] + sign * tonumber(string.sub(whole, -6))
  if fraction ~= '' then t[i + 2] = t[i + 2] + sign * tonumber(fraction .. string.sub('000000', #fraction + 1)) end
end

local function carry(millions, units, micro)
  local c = floor(micro / 1000000)
  units, micro = units + c, micro - c * 1000000
  c = floor(units / 1000000)
  return millions + c, units - c * 1000000, micro
end

-- show returns the amount that begins at t[i] as an exact decimal without trailing zeros.
local function show(t, i)
  local millions, units, micro = t[i], t[i + 1], t[i + 2]
  if millions == 0 and micro == 0 and units >= 0 and units < 1e15 then return format('%.0f', units) end
  millions, units, micro = carry(millions, units, micro)
  local sign = ''
  if millions < 0 then
    sign = '-'
    millions, units, micro = carry(-millions, -units, -micro)
  end
  local text
  if millions > 0 then text = format('%s%.0f%06d', sign, millions, units) else text = format('%s%d', sign, units) end
  if micro == 0 then return text end
  return text .. '.' .. (string.gsub(format('%06d', micro), '0+$', ''))
end

-- count adds the number of a location to totals (sign 1), or takes it away (-1).
local function count(totals, text, sign)
  totals[LOCATIONS] = totals[LOCATIONS] + sign
  add(totals, AVAILABLE, text, sign)
  if byte(text) ~= 45 then add(totals, SELLABLE, text, sign) end
end

-- valid reports whether text is an exact decimal. If it is not, a stranger wrote it.
local function valid(text)
  return string.find(text, '^-?%d+%.?%d*$') ~= nil
end

-- sum returns the totals of a whole hash. What is no number counts as none, and a
-- replay overwrites or drops it.
local function sum(hash)
  local totals = none()
  for field, value in pairs(hash) do
    if byte(field, 10) == 58 and byte(field) == 97 and valid(value) then -- available:
      count(totals, value, 1)
    end
  end
  return totals
end

-- parse returns totals as a hash has them, nil if they cannot be right.
local function parse(available, sellable, locations)
  local totals = none()
  if not (available or sellable or locations) then return totals end
  if not (available and sellable and locations and valid(available) and valid(sellable) and valid(locations)) then return nil end
  add(totals, AVAILABLE, available, 1)
  add(totals, SELLABLE, sellable, 1)
  totals[LOCATIONS] = tonumber(locations)
  return totals
end
