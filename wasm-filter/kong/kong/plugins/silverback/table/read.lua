-- Reading what is in effect in a store: a zone of shared data, or the snapshot file.
--
-- A store has `get(self, key)` -> value, cas (nil: not there; nil, nil, reason: cannot be asked) and
-- `set(self, key, value, cas)` -> true, or nil and "cas", "no memory" or another reason.

local blake3 = require "kong.plugins.silverback.table.blake3"
local epoch = require "kong.plugins.silverback.table.epoch"
local keys = require "kong.plugins.silverback.table.keys"
local page = require "kong.plugins.silverback.table.page"
local physical = require "kong.plugins.silverback.table.physical"
local root = require "kong.plugins.silverback.table.root"

local concat = table.concat
local sub = string.sub


local M = {}


-- The epoch record and its cas; nil and an error.
function M.record(store)
  local value, cas, reason = store:get(keys.EPOCH_KEY)
  if not value then
    if reason then
      return nil, { kind = "store", reason = reason }
    end

    return nil, { kind = "foreign", what = "no epoch record" }
  end

  local record = epoch.decode(value)
  if not record then
    return nil, { kind = "foreign", what = "the epoch record" }
  end

  return record, cas
end


-- Keeps what a root's bytes mean; they are compared before it counts.
function M.remember(store, slot, value, decoded, digest)
  store.decoded = store.decoded or {}
  store.decoded[slot] = { value = value, physical = decoded, digest = digest }
end


local function place(store, slot)
  local value, _, reason = store:get(keys.root_key(slot))
  if not value then
    if reason then
      return nil, nil, { kind = "store", reason = reason }
    end

    return nil
  end

  -- Most reads find what the read before found: the digest need not be computed again.
  local known = store.decoded and store.decoded[slot]
  if known and known.value == value then
    return known.physical, known.digest
  end

  local decoded, digest = physical.decode(value)
  M.remember(store, slot, value, decoded, digest)
  return decoded, digest
end


-- What is in effect: record and cas, and the current and the previous physical root where they can be
-- read. A root that cannot be read counts as none: no reader can use it either.
function M.current(store)
  local record, cas = M.record(store)
  if not record then
    return nil, cas
  end

  local current, digest, err = place(store, record.slot)
  if err then
    return nil, err
  end

  if current and (digest ~= record.root or current.epoch ~= record.epoch) then
    current = nil
  end

  local previous, _
  previous, _, err = place(store, 1 - record.slot)
  if err then
    return nil, err
  end

  if previous and previous.epoch >= record.epoch then
    previous = nil
  end

  return { record = record, cas = cas, root = current, previous = previous }
end


local logical = setmetatable({}, { __mode = "k" })


-- Digest of a physical root's logical root.
function M.logical_digest(decoded)
  local digest = logical[decoded]
  if not digest then
    digest = root.digest(decoded.root)
    logical[decoded] = digest
  end

  return digest
end


-- Epoch and digest of the logical root in effect; zeros without a table.
function M.table_of(current)
  if current.root and current.record.epoch > 0 then
    return current.record.epoch, M.logical_digest(current.root)
  end

  return current.record.epoch, root.NO_DIGEST
end


-- The bytes of a segment, checked; nil if they are not what the root says. `pause` may yield.
function M.segment(store, decoded, segment, pause)
  local parts = {}
  local failed = physical.each_page(decoded, segment, function(number, part)
    local value = store:get(keys.page_key(number))
    local header, content
    if value then
      header, content = page.decode(value)
    end

    if not header or header.page ~= number or header.segment ~= segment or header.part ~= part then
      return true
    end

    parts[part + 1] = content
    return nil
  end)
  if failed then
    return nil
  end

  local bytes = concat(parts)
  if #bytes ~= root.len(decoded.root, segment) then
    return nil
  end

  if #bytes > 0 and blake3.digest(bytes, pause) ~= root.digest_of(decoded.root, segment) then
    return nil
  end

  return bytes
end


-- Can a table be read? Epoch, or nil and why not. What the filter's first pin does.
function M.pin(store)
  local sentinel = store:get(keys.SENTINEL_KEY)
  if sentinel ~= keys.SENTINEL then
    return nil, "the zone's sentinel is not there"
  end

  local current, err = M.current(store)
  if not current then
    return nil, err.reason or err.what
  end

  if current.record.epoch == 0 then
    return nil, "no table was published yet"
  end

  if not current.root then
    return nil, "the root cannot be read"
  end

  return current.record.epoch
end


-- Keeps only the first `len` bytes where a store can do that cheaply.
function M.head(store, key, len)
  if store.head then
    return store:head(key, len)
  end

  local value, _, reason = store:get(key)
  return value and sub(value, 1, len), reason
end


return M
