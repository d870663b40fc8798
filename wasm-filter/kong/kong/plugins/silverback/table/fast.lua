-- The fast 64-bit hash of the table format (wasm-filter/core/src/table/hash.rs, `Fast`). Here it is
-- the checksum of the epoch record.

local bit = require "bit"
local ffi = require "ffi"

local bxor = bit.bxor
local byte = string.byte
local rol = bit.rol
local rshift = bit.rshift


local STEP = 0x9e3779b97f4a7c15ULL
local FINISH = 0xff51afd7ed558ccdULL

local u64_t = ffi.typeof("uint64_t")
local u64_1 = ffi.typeof("uint64_t[1]")


-- Up to 8 bytes as a number.
local function word(s, at, count)
  local value = u64_t(0)
  for i = count - 1, 0, -1 do
    value = value * 256 + byte(s, at + i)
  end

  return value
end


local M = {}


-- The hash in the name space `seed`, as 8 little-endian bytes.
function M.of(seed, s)
  local state = bxor(u64_t(seed) * STEP, FINISH)
  local steps = math.floor(#s / 8)
  for i = 0, steps - 1 do
    state = bxor(rol(state, 23), word(s, i * 8 + 1, 8)) * STEP
  end

  local tail = #s - steps * 8
  local h = bxor(bxor(rol(state, 23), word(s, steps * 8 + 1, tail)) * STEP, u64_t(tail))
  h = bxor(h, rshift(h, 32)) * FINISH
  h = bxor(h, rshift(h, 29))
  return ffi.string(u64_1(h), 8)
end


return M
