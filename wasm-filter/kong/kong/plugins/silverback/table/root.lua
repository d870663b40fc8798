-- The logical root (wasm-filter/core/src/table/root.rs). It is kept as its bytes: 20 of them say what
-- a segment is.
--
--   u32 magic "SBRT" | u16 format | u16 0 | u32 route segments | u32 endpoint segments
--   segments x (u32 length | 16 bytes digest)

local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local keys = require "kong.plugins.silverback.table.keys"

local concat = table.concat
local min = math.min
local sub = string.sub


local HEADER = "SBRT"
  .. bytes.put_u16(keys.FORMAT)
  .. bytes.zeros(2)
  .. bytes.put_u32(keys.ROUTE_SEGMENTS)
  .. bytes.put_u32(keys.ENDPOINT_SEGMENTS)
local ID_LEN = 20
-- Segments that are compared at a time.
local STRIDE = 32
local NO_DIGEST = bytes.zeros(16)


local M = {
  NO_DIGEST = NO_DIGEST,
  EMPTY = HEADER .. bytes.zeros(keys.SEGMENTS * ID_LEN),
}


-- Are these the bytes of a root of this format?
function M.is(raw)
  return #raw == keys.ROOT_LEN and sub(raw, 1, #HEADER) == HEADER
end


local function at(segment)
  return #HEADER + segment * ID_LEN + 1
end


-- The 20 bytes of a segment: length and digest.
function M.id(raw, segment)
  local from = at(segment)
  return sub(raw, from, from + ID_LEN - 1)
end


function M.len(raw, segment)
  return bytes.u32(raw, at(segment))
end


function M.digest_of(raw, segment)
  local from = at(segment)
  return sub(raw, from + 4, from + ID_LEN - 1)
end


-- The root with some ids replaced; `changes` is a list of { segment, id } in ascending order.
function M.change(raw, changes)
  local parts, from = {}, 1
  for _, change in ipairs(changes) do
    local start = at(change[1])
    parts[#parts + 1] = sub(raw, from, start - 1)
    parts[#parts + 1] = change[2]
    from = start + ID_LEN
  end

  parts[#parts + 1] = sub(raw, from)
  return concat(parts)
end


-- The segments whose ids differ, in ascending order. Nearly all are the same from one commit to the next, so
-- they are compared many at a time.
function M.differences(a, b)
  local list = {}
  for first = 0, keys.SEGMENTS - 1, STRIDE do
    local from, to = at(first), at(first + STRIDE) - 1
    if sub(a, from, to) ~= sub(b, from, to) then
      for segment = first, min(first + STRIDE, keys.SEGMENTS) - 1 do
        if M.id(a, segment) ~= M.id(b, segment) then
          list[#list + 1] = segment
        end
      end
    end
  end

  return list
end


-- The segment without bytes has no digest; anything else could never be found.
function M.is_consistent(raw)
  for _, segment in ipairs(M.differences(raw, M.EMPTY)) do
    if M.len(raw, segment) == 0 or M.digest_of(raw, segment) == NO_DIGEST then
      return false
    end
  end

  return true
end


M.digest = blake3.digest


return M
