-- The writing side: pages first, then a root, then the epoch
-- (wasm-filter/core/src/table/store/publish.rs; the same steps, so that the same bytes come out).
--
-- Nothing here holds a lock. A publisher claims the epoch record before its first write and overwrites
-- a value only while the claim stands, by compare-and-swap; the flip is the last of them. So this may
-- yield between any two steps, and a worker that is killed leaves the table before in effect.

local epoch_record = require "kong.plugins.silverback.table.epoch"
local keys = require "kong.plugins.silverback.table.keys"
local page = require "kong.plugins.silverback.table.page"
local physical = require "kong.plugins.silverback.table.physical"
local read = require "kong.plugins.silverback.table.read"
local root = require "kong.plugins.silverback.table.root"

local sort = table.sort
local sub = string.sub


-- Each failure means that another publisher has entered or published.
local ENTER_TRIES = 64
-- Pages up to which looking for the oldest is quicker than sorting all.
local FEW_PAGES = 8
-- Pages after which a long publication lets requests in.
local PAUSE_PAGES = 16


local M = {}
local methods = {}
local mt = { __index = methods }


local function failed(reason)
  if reason == "cas" then
    return { kind = "raced" }
  end

  return { kind = "store", reason = reason }
end


-- Creates a value; one that somebody else has just created has the same fixed length.
local function create(store, key, value)
  local ok, reason = store:set(key, value, 0)
  if ok or reason == "cas" then
    return true
  end

  return nil, failed(reason)
end


-- Epoch in which a page was last written; creates the page if it is not there.
local function open_page(store, number)
  local key = keys.page_key(number)
  local head, reason = read.head(store, key, keys.PAGE_HEADER)
  if reason then
    return nil, failed(reason)
  end

  if head then
    local header = page.header(head)
    if not header then
      return nil, { kind = "foreign", what = "a page" }
    end

    return header.epoch
  end

  local ok, err = create(store, key, page.empty(number))
  if not ok then
    return nil, err
  end

  return 0
end


local function open_roots(store, pages)
  local empty, digest = physical.encode(physical.new(0, root.EMPTY, {}))
  for slot = 0, 1 do
    local key = keys.root_key(slot)
    local value, _, reason = store:get(key)
    if reason then
      return nil, failed(reason)
    end

    if value and #value ~= keys.PHYSICAL_LEN then
      return nil, { kind = "foreign", what = "a root" }
    end

    if not value then
      local ok, err = create(store, key, empty)
      if not ok then
        return nil, err
      end
    end
  end

  if not store:get(keys.EPOCH_KEY) then
    local record = {
      epoch = 0, slot = 0, page_len = keys.PAGE_LEN, pages = pages, root = digest, writers = 0, claim = 0,
    }
    local ok, err = create(store, keys.EPOCH_KEY, epoch_record.encode(record))
    if not ok then
      return nil, err
    end
  end

  if not store:get(keys.SENTINEL_KEY) then
    return create(store, keys.SENTINEL_KEY, keys.SENTINEL)
  end

  return true
end


-- Takes the next writer's number.
local function enter(store)
  for _ = 1, ENTER_TRIES do
    local record, cas = read.record(store)
    if not record then
      return nil, cas
    end

    record.writers = record.writers + 1
    local ok, reason = store:set(keys.EPOCH_KEY, epoch_record.encode(record), cas)
    if ok then
      return record.writers
    end

    if reason ~= "cas" then
      return nil, failed(reason)
    end
  end

  return nil, { kind = "raced" }
end


-- Takes over a store: creates the pool in a new one, reads what is there in another. `no_readers`: nobody reads
-- the store while it is written.
function M.open(store, pages, no_readers)
  local written = {}
  for number = 0, pages - 1 do
    local epoch, err = open_page(store, number)
    if not epoch then
      if err.reason == "no memory" then
        err = { kind = "zone_full", needed = pages, free = number, pages = number }
      end

      return nil, err
    end

    written[number] = epoch
  end

  local ok, err = open_roots(store, pages)
  if not ok then
    return nil, err
  end

  local writer
  writer, err = enter(store)
  if not writer then
    return nil, err
  end

  return setmetatable({
    store = store, pages = pages, written = written, writer = writer, no_readers = no_readers,
  }, mt)
end


-- The pages that no publication may touch: those of the current and, where readers may still have pinned it,
-- the previous root.
local function used_pages(current, no_readers)
  local used, count = {}, 0
  for i = 1, no_readers and 1 or 2 do
    local kept = i == 1 and current.root or i == 2 and current.previous
    for n = 1, kept and #kept.pages or 0 do
      local number = kept.pages[n]
      if not used[number] then
        used[number], count = true, count + 1
      end
    end
  end

  return used, count
end


-- Pages of a pool that the next publication may use.
function M.free(pages, current)
  local _, used = used_pages(current)
  return pages - used
end


-- So many free pages, those that were written longest ago first, equal ages by number; and how many are free.
local function free_pages(self, used, needed)
  local free, written = {}, self.written
  for number = 0, self.pages - 1 do
    if not used[number] then
      free[#free + 1] = number
    end
  end

  if needed > FEW_PAGES then
    sort(free, function(a, b)
      if written[a] ~= written[b] then
        return written[a] < written[b]
      end

      return a < b
    end)
    return free, #free
  end

  -- A few are found sooner than all are sorted.
  local chosen, taken = {}, {}
  for n = 1, needed do
    local oldest
    for _, number in ipairs(free) do
      if not taken[number] and (not oldest or written[number] < written[oldest]) then
        oldest = number
      end
    end

    if not oldest then
      break
    end

    chosen[n], taken[oldest] = oldest, true
  end

  return chosen, #free
end


-- Pages that another worker has written since: as old as the roots that use them.
local function learn(self, current)
  if current.record.epoch == self.last then
    return
  end

  for _, name in ipairs({ "root", "previous" }) do
    local kept = current[name]
    for i = 1, kept and #kept.pages or 0 do
      local number = kept.pages[i]
      if (self.written[number] or 0) < kept.epoch and self.last then
        self.written[number] = kept.epoch
      end
    end
  end
end


-- Claims the right to write: the epoch record's cas while it stands.
local function claim(self)
  local record, cas = read.record(self.store)
  if not record then
    return nil, cas
  end

  record.claim = self.writer
  local ok, reason = self.store:set(keys.EPOCH_KEY, epoch_record.encode(record), cas)
  if not ok then
    return nil, failed(reason)
  end

  -- A set does not give the new cas. Whoever came in between has left its own number.
  record, cas = read.record(self.store)
  if not record then
    return nil, cas
  end

  if record.claim ~= self.writer then
    return nil, { kind = "raced" }
  end

  return cas
end


-- Overwrites a value while the claim stands, and reads it back; `unread` if that differs.
local function overwrite(store, claimed, key, value, unread)
  local old, cas, reason = store:get(key)
  if not old then
    return nil, reason and failed(reason) or { kind = "foreign", what = "a missing value" }
  end

  if #old ~= #value then
    return nil, { kind = "foreign", what = "a value of another length" }
  end

  local _, now = store:get(keys.EPOCH_KEY)
  if now ~= claimed then
    return nil, { kind = "raced" }
  end

  local ok
  ok, reason = store:set(key, value, cas)
  if not ok then
    return nil, failed(reason)
  end

  if store:get(key) == value then
    return true
  end

  _, now = store:get(keys.EPOCH_KEY)
  return nil, now == claimed and { kind = unread } or { kind = "raced" }
end


-- The segments with bytes that the current root has not, and the pages that they need.
local function changes(raw, current, content)
  local changed, missing, needed = {}, {}, 0
  local base = current.root and current.root.root or root.EMPTY
  for _, segment in ipairs(root.differences(raw, base)) do
    local len = root.len(raw, segment)
    if len > 0 then
      local bytes = content(segment)
      if bytes and #bytes ~= len then
        return nil, { kind = "digest", segment = segment }
      end

      if bytes then
        changed[segment] = bytes
        needed = needed + page.count(len)
      else
        missing[#missing + 1] = segment
      end
    end
  end

  if #missing > 0 then
    return nil, { kind = "missing", segments = missing }
  end

  return changed, needed
end


local function write_segment(self, claimed, segment, bytes, next_page, epoch, pages, pause)
  for part = 0, page.count(#bytes) - 1 do
    local number = next_page()
    local content = sub(bytes, part * keys.PAGE_USED + 1, (part + 1) * keys.PAGE_USED)
    local value = page.encode(number, segment, part, epoch, content)
    local ok, err = overwrite(self.store, claimed, keys.page_key(number), value, "verify")
    if not ok then
      return nil, err
    end

    self.written[number] = epoch
    pages[#pages + 1] = number
    if pause and #pages % PAUSE_PAGES == 0 then
      pause()
    end
  end

  return true
end


local function flip(self, current, new)
  local slot = 1 - current.record.slot
  local value, digest = physical.encode(new)
  if not value then
    return nil, { kind = "zone_full", needed = #new.pages, free = keys.MAX_PAGES, pages = self.pages }
  end

  local ok, err = overwrite(self.store, current.cas, keys.root_key(slot), value, "raced")
  if not ok then
    return nil, err
  end

  local record = {
    epoch = new.epoch,
    slot = slot,
    page_len = keys.PAGE_LEN,
    pages = self.pages,
    root = digest,
    writers = current.record.writers,
    claim = current.record.claim,
  }
  local reason
  ok, reason = self.store:set(keys.EPOCH_KEY, epoch_record.encode(record), current.cas)
  if not ok then
    return nil, failed(reason)
  end

  read.remember(self.store, slot, value, new, digest)
  return true
end


-- Puts a table into effect. `raw` is the logical root; `content(segment)` gives the bytes of one whose
-- digest was checked, or nil. `options`: `expected` = { epoch, digest of the logical root } that must be
-- in effect; `epoch` = the new epoch, if not the next; `pause` = may yield.
-- Gives { epoch, pages, segments }, or nil and an error; then the table before stays in effect.
function methods.publish(self, raw, content, options)
  options = options or {}
  local claimed, err = claim(self)
  if not claimed then
    return nil, err
  end

  local current
  current, err = read.current(self.store)
  if not current then
    return nil, err
  end

  if current.cas ~= claimed then
    return nil, { kind = "raced" }
  end

  local expected = options.expected
  if expected then
    local epoch, digest = read.table_of(current)
    if epoch ~= expected.epoch or digest ~= expected.digest then
      return nil, { kind = "raced" }
    end
  end

  learn(self, current)
  local changed, needed = changes(raw, current, content)
  if not changed then
    return nil, needed
  end

  local free, count = free_pages(self, (used_pages(current, self.no_readers)), needed)
  if needed > count then
    return nil, { kind = "zone_full", needed = needed, free = count, pages = self.pages }
  end

  local taken = 0
  local function next_page()
    taken = taken + 1
    return free[taken]
  end

  local epoch = options.epoch or current.record.epoch + 1
  local pages, segments = {}, 0
  for segment = 0, keys.SEGMENTS - 1 do
    if changed[segment] then
      segments = segments + 1
      local ok
      ok, err = write_segment(self, claimed, segment, changed[segment], next_page, epoch, pages, options.pause)
      if not ok then
        return nil, err
      end
    elseif current.root and root.len(raw, segment) > 0 then
      -- Not changed: it stays where it is.
      local starts = current.root.starts
      for i = starts[segment] + 1, starts[segment + 1] do
        pages[#pages + 1] = current.root.pages[i]
      end
    end
  end

  local new = physical.new(epoch, raw, pages)
  if not new then
    return nil, { kind = "foreign", what = "the current root" }
  end

  local ok
  ok, err = flip(self, current, new)
  if not ok then
    return nil, err
  end

  self.last = epoch
  return { epoch = epoch, pages = taken, segments = segments }
end


return M
