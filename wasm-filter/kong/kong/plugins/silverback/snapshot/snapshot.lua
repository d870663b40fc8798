-- The table on disk, so that a restarted or reloaded node serves at once, with no publisher around.
--
-- Written by a timer, never in a request, and at most once a second; read in init_worker, before the
-- first request. The zone's epoch is the marker: only a zone without a table takes one from the file.

local counters = require "kong.plugins.silverback.counters"
local files = require "kong.plugins.silverback.snapshot.file"
local keys = require "kong.plugins.silverback.table.keys"
local publish = require "kong.plugins.silverback.table.publish"
local read = require "kong.plugins.silverback.table.read"
local root = require "kong.plugins.silverback.table.root"


-- Seconds between two writes.
local WINDOW = 1
-- Another worker may write the file while it is read here.
local READS = 3
local WINDOW_KEY = "snapshot:window"


local M = {}


-- Every segment of the file's table, checked.
local function read_file(file)
  local current, err = read.current(file)
  if not current then
    return nil, err.reason or err.what
  end

  if current.record.epoch == 0 or not current.root then
    return nil, "no table in it that can be read"
  end

  local segments = {}
  for segment = 0, keys.SEGMENTS - 1 do
    if root.len(current.root.root, segment) > 0 then
      segments[segment] = read.segment(file, current.root, segment)
      if not segments[segment] then
        return nil, "segment " .. segment .. " is damaged"
      end
    end
  end

  return { epoch = current.record.epoch, root = current.root.root, segments = segments }
end


-- The table in the file: { epoch, root, segments }; nil and why not.
function M.read(path)
  local reason
  for _ = 1, READS do
    local file
    file, reason = files.open(path, false)
    if not file then
      return nil, reason
    end

    local found
    found, reason = read_file(file)
    file:close()
    if found then
      return found
    end
  end

  return nil, reason
end


-- Puts the file's table into a zone that has none. Its epoch, or nil and why not. Does not yield.
function M.load(path, store, publisher)
  local current, err = read.current(store)
  if not current then
    return nil, err.reason or err.what
  end

  if current.record.epoch > 0 then
    return nil, "the zone has a table"
  end

  local found, reason = M.read(path)
  if not found then
    return nil, reason
  end

  local result
  result, err = publisher:publish(found.root, function(segment)
    return found.segments[segment]
  end, { expected = { epoch = 0, digest = root.NO_DIGEST }, epoch = found.epoch })
  if not result then
    return nil, err.kind
  end

  return result.epoch
end


local function publisher_of(self, file)
  local opened = self.publisher
  if opened then
    opened.store = file
    return opened
  end

  local err
  -- The file lags behind the zone, so every segment may be another one: room for two whole tables.
  local pages = self.pages * 2
  opened, err = publish.open(file, pages, true)
  if not opened and err.kind == "foreign" then
    file:clear()
    opened, err = publish.open(file, pages, true)
  end

  self.publisher = opened
  return opened, err
end


-- Writes the zone's table into an open file. true, or nil and an error.
local function write(self, file)
  local current, err = read.current(self.store)
  if not current then
    return nil, err
  end

  local epoch, digest = read.table_of(current)
  if epoch == 0 or not current.root then
    return true
  end

  -- Another worker may have done it.
  local there = read.current(file)
  if there and there.root then
    local file_epoch, file_digest = read.table_of(there)
    if file_epoch == epoch and file_digest == digest then
      self.saved = epoch
      return true
    end
  end

  local publisher
  publisher, err = publisher_of(self, file)
  if not publisher then
    return nil, err
  end

  local result
  result, err = publisher:publish(current.root.root, function(segment)
    return read.segment(self.store, current.root, segment, self.pause)
  end, { epoch = epoch, pause = self.pause })
  if not result then
    -- Another process may have left the file different from what this publisher knows.
    self.publisher = nil
    return nil, err
  end

  counters.add("snapshots")
  self.saved = epoch
  return true
end


local methods = {}
local mt = { __index = methods }


-- `options`: path, store, pages, dict, pause.
function M.new(options)
  return setmetatable(options, mt)
end


-- Writes the file if the zone has another table, at most once a second over all workers. true, or nil and
-- why not; `later` if another call must do it.
function methods.save(self)
  local record, err = read.record(self.store)
  if not record then
    return nil, err.reason or err.what
  end

  if record.epoch == 0 or record.epoch == self.saved then
    return true
  end

  if not self.dict:add(WINDOW_KEY, 1, WINDOW) then
    return nil, "later"
  end

  local file, reason = files.open(self.path, true)
  if not file then
    if reason == "busy" then
      return nil, "later"
    end

    counters.add("snapshots_failed")
    return nil, reason
  end

  -- pcall: whatever happens, the lock is let go.
  local done, ok
  done, ok, err = pcall(write, self, file)
  file:close()
  if done and ok then
    return true
  end

  counters.add("snapshots_failed")
  if not done then
    self.publisher = nil
    return nil, tostring(ok)
  end

  return nil, err.reason or err.what or err.kind
end


return M
