-- The epoch record (wasm-filter/core/src/table/store/epoch.rs).
--
--   u32 magic "SBEP" | u16 format | u8 root place | u8 0 | u64 epoch | u32 page length | u32 pages
--   16 bytes digest of the physical root | u64 writers | u64 claim | u64 checksum

local bytes = require "kong.plugins.silverback.table.bytes"
local fast = require "kong.plugins.silverback.table.fast"
local keys = require "kong.plugins.silverback.table.keys"

local byte = string.byte
local char = string.char
local sub = string.sub


local MAGIC = "SBEP"
local SEED = 0x50454253
local CHECKED = keys.EPOCH_LEN - 8


local M = {}


function M.encode(record)
  local head = MAGIC
    .. bytes.put_u16(keys.FORMAT)
    .. char(record.slot, 0)
    .. bytes.put_u64(record.epoch)
    .. bytes.put_u32(record.page_len)
    .. bytes.put_u32(record.pages)
    .. record.root
    .. bytes.put_u64(record.writers)
    .. bytes.put_u64(record.claim)
  return head .. fast.of(SEED, head)
end


-- nil: torn, of another format, or something else.
function M.decode(value)
  if #value < keys.EPOCH_LEN then
    return nil
  end

  local head = sub(value, 1, CHECKED)
  if sub(value, CHECKED + 1) ~= fast.of(SEED, head) then
    return nil
  end

  if sub(head, 1, 4) ~= MAGIC or bytes.u16(head, 5) ~= keys.FORMAT then
    return nil
  end

  local slot = byte(head, 7)
  local record = {
    slot = slot,
    epoch = bytes.u64(head, 9),
    page_len = bytes.u32(head, 17),
    pages = bytes.u32(head, 21),
    root = sub(head, 25, 40),
    writers = bytes.u64(head, 41),
    claim = bytes.u64(head, 49),
  }
  if slot > 1 or not record.epoch or not record.writers or not record.claim then
    return nil
  end

  return record
end


return M
