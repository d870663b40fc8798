-- The physical root (wasm-filter/core/src/table/store/physical.rs).
--
--   u32 magic "SBPR" | u16 format | u16 0 | u64 epoch | u32 page numbers
--   logical root
--   page numbers x u16: the pages of segment 0, then of segment 1, ...
--   zeros up to PHYSICAL_LEN

local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local keys = require "kong.plugins.silverback.table.keys"
local page = require "kong.plugins.silverback.table.page"
local root = require "kong.plugins.silverback.table.root"

local concat = table.concat
local sub = string.sub


local MAGIC = "SBPR"
local HEADER = 20


local M = {}


-- Joins a logical root with the pages of its segments. nil if a segment has not the number of pages
-- that its length asks for.
function M.new(epoch, raw, pages)
  local starts, total = {}, 0
  for segment = 0, keys.SEGMENTS - 1 do
    starts[segment] = total
    total = total + page.count(root.len(raw, segment))
  end

  starts[keys.SEGMENTS] = total
  if total ~= #pages then
    return nil
  end

  return { epoch = epoch, root = raw, pages = pages, starts = starts }
end


-- Calls f(page number, part) for each page of a segment; stops and gives what f gives, if that is
-- not nil.
function M.each_page(physical, segment, f)
  local from = physical.starts[segment]
  for i = from + 1, physical.starts[segment + 1] do
    local result, more = f(physical.pages[i], i - from - 1)
    if result ~= nil then
      return result, more
    end
  end

  return nil
end


-- Bytes of PHYSICAL_LEN and their digest. nil: more pages than fit.
function M.encode(physical)
  local count = #physical.pages
  if count > keys.MAX_PAGES then
    return nil
  end

  local numbers = {}
  for i = 1, count do
    numbers[i] = bytes.put_u16(physical.pages[i])
  end

  local used = MAGIC
    .. bytes.put_u16(keys.FORMAT)
    .. bytes.zeros(2)
    .. bytes.put_u64(physical.epoch)
    .. bytes.put_u32(count)
    .. physical.root
    .. concat(numbers)
  return used .. bytes.zeros(keys.PHYSICAL_LEN - #used), blake3.digest(used)
end


-- The root, and the digest of its used bytes. nil: of another format or broken.
function M.decode(value)
  if #value ~= keys.PHYSICAL_LEN or sub(value, 1, 4) ~= MAGIC or bytes.u16(value, 5) ~= keys.FORMAT then
    return nil
  end

  local epoch = bytes.u64(value, 9)
  local count = bytes.u32(value, 17)
  local raw = sub(value, HEADER + 1, HEADER + keys.ROOT_LEN)
  local used = HEADER + keys.ROOT_LEN + count * 2
  if not epoch or used > #value or not root.is(raw) then
    return nil
  end

  local pages = {}
  for i = 1, count do
    pages[i] = bytes.u16(value, HEADER + keys.ROOT_LEN + i * 2 - 1)
  end

  local physical = M.new(epoch, raw, pages)
  if not physical then
    return nil
  end

  return physical, blake3.digest(sub(value, 1, used))
end


return M
