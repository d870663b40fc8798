-- A page (wasm-filter/core/src/table/store/page.rs).
--
--   u32 magic "SBPG" | u16 format | u16 page | u32 segment | u32 part | u32 used | u32 0 | u64 epoch
--   used bytes of the segment, then zeros

local bytes = require "kong.plugins.silverback.table.bytes"
local keys = require "kong.plugins.silverback.table.keys"

local ceil = math.ceil
local sub = string.sub


local MAGIC = "SBPG"
local NO_SEGMENT = 0xffffffff


local M = {}


-- Number of pages for a segment of `len` bytes.
function M.count(len)
  return ceil(len / keys.PAGE_USED)
end


-- `content` is at most PAGE_USED long.
function M.encode(page, segment, part, epoch, content)
  return MAGIC
    .. bytes.put_u16(keys.FORMAT)
    .. bytes.put_u16(page)
    .. bytes.put_u32(segment)
    .. bytes.put_u32(part)
    .. bytes.put_u32(#content)
    .. bytes.zeros(4)
    .. bytes.put_u64(epoch)
    .. content
    .. bytes.zeros(keys.PAGE_USED - #content)
end


-- A page that was never written.
function M.empty(page)
  return M.encode(page, NO_SEGMENT, 0, 0, "")
end


-- Reads the header; the value may be cut behind it. nil: not a page of this format.
function M.header(value)
  if sub(value, 1, 4) ~= MAGIC or bytes.u16(value, 5) ~= keys.FORMAT then
    return nil
  end

  local header = {
    page = bytes.u16(value, 7),
    segment = bytes.u32(value, 9),
    part = bytes.u32(value, 13),
    used = bytes.u32(value, 17),
    epoch = bytes.u64(value, 25),
  }
  if not header.epoch or header.used > keys.PAGE_USED then
    return nil
  end

  return header
end


-- Header and content of a whole page.
function M.decode(value)
  if #value ~= keys.PAGE_LEN then
    return nil
  end

  local header = M.header(value)
  if not header then
    return nil
  end

  return header, sub(value, keys.PAGE_HEADER + 1, keys.PAGE_HEADER + header.used)
end


return M
