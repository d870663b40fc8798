-- BLAKE3, first 16 bytes: the digest of segments and roots (wasm-filter/core/src/table/hash.rs).
--
-- The compression function is written out by this file when it is loaded, with every word in a local
-- variable, so that LuaJIT makes one straight trace of it.

local bit = require "bit"
local ffi = require "ffi"

local bor = bit.bor
local concat = table.concat
local floor = math.floor
local format = string.format


-- Words are read as they lie in memory; Kong runs on x86-64 and AArch64 only.
assert(ffi.abi("le"), "a little-endian machine")


local CHUNK_LEN = 1024
local BLOCK_LEN = 64
local CHUNK_START = 1
local CHUNK_END = 2
local PARENT = 4
local ROOT = 8

local words_t = ffi.typeof("int32_t[?]")
local view_t = ffi.typeof("const int32_t *")
local buffer_t = ffi.typeof("uint8_t[?]")

local IV = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}
local PERMUTATION = { 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 }
local MIXES = {
  { 0, 4, 8, 12 }, { 1, 5, 9, 13 }, { 2, 6, 10, 14 }, { 3, 7, 11, 15 },
  { 0, 5, 10, 15 }, { 1, 6, 11, 12 }, { 2, 7, 8, 13 }, { 3, 4, 9, 14 },
}


-- compress(cv, m, counter, len, flags): cv becomes the next chaining value.
local function generate()
  local out = {
    "local bit = require 'bit'",
    "local tobit, bxor, ror = bit.tobit, bit.bxor, bit.ror",
    "return function(cv, m, counter, len, flags)",
  }
  local function add(...)
    out[#out + 1] = format(...)
  end

  for i = 0, 15 do
    add("local m%d = m[%d]", i, i)
  end

  for i = 0, 7 do
    add("local v%d = cv[%d]", i, i)
  end

  for i = 8, 11 do
    add("local v%d = %d", i, bit.tobit(IV[i - 7]))
  end

  add("local v12, v13, v14, v15 = tobit(counter), 0, len, flags")

  local order = {}
  for i = 0, 15 do
    order[i] = i
  end

  for _ = 1, 7 do
    for i, mix in ipairs(MIXES) do
      local a, b, c, d = unpack(mix)
      for half = 0, 1 do
        add("v%d = tobit(v%d + v%d + m%d)", a, a, b, order[(i - 1) * 2 + half])
        add("v%d = ror(bxor(v%d, v%d), %d)", d, d, a, half == 0 and 16 or 8)
        add("v%d = tobit(v%d + v%d)", c, c, d)
        add("v%d = ror(bxor(v%d, v%d), %d)", b, b, c, half == 0 and 12 or 7)
      end
    end

    local permuted = {}
    for i = 0, 15 do
      permuted[i] = order[PERMUTATION[i + 1]]
    end
    order = permuted
  end

  for i = 0, 7 do
    add("cv[%d] = bxor(v%d, v%d)", i, i, i + 8)
  end

  add("end")
  return assert(loadstring(concat(out, "\n"), "=blake3.compress"))()
end


local compress = generate()


local function start(cv)
  for i = 0, 7 do
    cv[i] = bit.tobit(IV[i + 1])
  end
end


-- The chaining value of one chunk at `bytes`, `len` <= 1024.
local function chunk(cv, bytes, len, counter, last_flag)
  start(cv)
  local flags = CHUNK_START
  while len > BLOCK_LEN do
    compress(cv, ffi.cast(view_t, bytes), counter, BLOCK_LEN, flags)
    bytes, len, flags = bytes + BLOCK_LEN, len - BLOCK_LEN, 0
  end

  local block = buffer_t(BLOCK_LEN)
  ffi.copy(block, bytes, len)
  compress(cv, ffi.cast(view_t, block), counter, len, bor(flags, CHUNK_END, last_flag))
end


-- cv = parent of the chaining value on top of the stack and cv.
local function parent(cv, pair, flag)
  for i = 0, 7 do
    pair[i + 8] = cv[i]
  end

  start(cv)
  compress(cv, ffi.cast(view_t, pair), 0, BLOCK_LEN, bor(PARENT, flag))
end


local M = {}


M.LEN = 16


-- The digest of a string. `pause`, if given, is called after every 64 KiB: it may yield.
function M.digest(s, pause)
  local bytes = ffi.cast("const uint8_t *", s)
  local len = #s
  local cv = words_t(8)
  if len <= CHUNK_LEN then
    chunk(cv, bytes, len, 0, ROOT)
    return ffi.string(cv, M.LEN)
  end

  -- Each entry is a block of 16 words: the left half is the chaining value of a subtree.
  local stack, height = {}, 0
  local chunks = floor((len + CHUNK_LEN - 1) / CHUNK_LEN)
  for n = 0, chunks - 2 do
    chunk(cv, bytes + n * CHUNK_LEN, CHUNK_LEN, n, 0)
    local total = n + 1
    while total % 2 == 0 do
      parent(cv, stack[height], 0)
      height, total = height - 1, total / 2
    end

    height = height + 1
    local pair = stack[height] or words_t(16)
    for i = 0, 7 do
      pair[i] = cv[i]
    end
    stack[height] = pair

    if pause and n % 64 == 63 then
      pause()
    end
  end

  local done = (chunks - 1) * CHUNK_LEN
  chunk(cv, bytes + done, len - done, chunks - 1, 0)
  for at = height, 1, -1 do
    parent(cv, stack[at], at == 1 and ROOT or 0)
  end

  return ffi.string(cv, M.LEN)
end


return M
