-- Keys, sizes and numbers of the table in shared data (wasm-filter/core/src/table/store.rs and
-- layout.rs). All of them are part of the format.

local format = string.format


local ROUTE_SEGMENTS = 256
local ENDPOINT_SEGMENTS = 512
local SEGMENTS = 1 + ROUTE_SEGMENTS + ENDPOINT_SEGMENTS
local PAGE_LEN = 16256
local MAX_PAGES = 4096
local ROOT_LEN = 16 + SEGMENTS * 20
local PHYSICAL_LEN = 20 + ROOT_LEN + MAX_PAGES * 2


local M = {
  FORMAT = 2,
  -- The formats that a node takes: its own and, as soon as one was released before it, that.
  FORMATS = { 2 },
  SENTINEL_KEY = "silverback/zone",
  SENTINEL = "silverback zone 1",
  EPOCH_KEY = "silverback/epoch",
  EPOCH_LEN = 64,
  ROUTE_SEGMENTS = ROUTE_SEGMENTS,
  ENDPOINT_SEGMENTS = ENDPOINT_SEGMENTS,
  SEGMENTS = SEGMENTS,
  PAGE_LEN = PAGE_LEN,
  PAGE_HEADER = 32,
  PAGE_USED = PAGE_LEN - 32,
  MAX_PAGES = MAX_PAGES,
  ROOT_LEN = ROOT_LEN,
  PHYSICAL_LEN = PHYSICAL_LEN,
}


-- Key of a root's place, 0 or 1.
function M.root_key(slot)
  return slot == 0 and "silverback/root0" or "silverback/root1"
end


-- Key of a page.
function M.page_key(page)
  return format("silverback/p%04x", page)
end


local function slab(len)
  return math.ceil((len + 128) / 4096) * 4096
end


-- The bytes of zone that a pool of so many pages takes, as nginx's slab counts.
function M.zone_bytes(pages)
  local values = pages * slab(PAGE_LEN) + 2 * slab(PHYSICAL_LEN) + 4096
  return values + math.floor(values / 32) + 8 * 4096
end


-- The largest pool for a zone of so many bytes.
function M.pages_in_zone(bytes)
  local low, high = 0, MAX_PAGES
  while low < high do
    local middle = low + math.ceil((high - low) / 2)
    if M.zone_bytes(middle) <= bytes then
      low = middle
    else
      high = middle - 1
    end
  end

  return low
end


return M
