-- Little-endian numbers and hex in strings. A reader gives nil for bytes that are not there.

local byte = string.byte
local char = string.char
local floor = math.floor
local format = string.format
local gsub = string.gsub
local rep = string.rep
local tonumber = tonumber


local M = {}


-- Numbers of Lua are exact up to here.
M.MAX_EXACT = 2 ^ 53


function M.u16(s, at)
  local a, b = byte(s, at, at + 1)
  if not b then
    return nil
  end

  return a + b * 0x100
end


function M.u32(s, at)
  local a, b, c, d = byte(s, at, at + 3)
  if not d then
    return nil
  end

  return a + b * 0x100 + c * 0x10000 + d * 0x1000000
end


-- A number that Lua holds exactly; nil for one of 2^53 or more.
function M.u64(s, at)
  local low, high = M.u32(s, at), M.u32(s, at + 4)
  if not high or high >= 0x200000 then
    return nil
  end

  return low + high * 0x100000000
end


function M.put_u16(n)
  return char(n % 0x100, floor(n / 0x100) % 0x100)
end


local put_u16 = M.put_u16


function M.put_u32(n)
  return put_u16(n % 0x10000) .. put_u16(floor(n / 0x10000))
end


function M.put_u64(n)
  return M.put_u32(n % 0x100000000) .. M.put_u32(floor(n / 0x100000000))
end


local function hex_of(c)
  return format("%02x", byte(c))
end


function M.to_hex(s)
  return (gsub(s, ".", hex_of))
end


-- The 8 bytes of a u64 as a number is written: most significant digit first.
function M.id_to_hex(s)
  return M.to_hex(s:reverse())
end


local function of_hex(pair)
  return char(tonumber(pair, 16))
end


-- Bytes of so many hex digits, in either case; nil for anything else.
function M.from_hex(text, digits)
  if type(text) ~= "string" or #text ~= digits or text:find("[^0-9a-fA-F]") then
    return nil
  end

  return (gsub(text, "..", of_hex))
end


function M.zeros(n)
  return rep("\0", n)
end


return M
