-- What the node does with the requests of the protocol (docs/node-protocol.md,
-- wasm-filter/core/src/node/state.rs). Every function gives an HTTP status and the answer as a table.

local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local commits = require "kong.plugins.silverback.node.commit"
local counters = require "kong.plugins.silverback.counters"
local errors = require "kong.plugins.silverback.node.errors"
local keys = require "kong.plugins.silverback.table.keys"
local publish = require "kong.plugins.silverback.table.publish"
local read = require "kong.plugins.silverback.table.read"
local root = require "kong.plugins.silverback.table.root"
local staging = require "kong.plugins.silverback.node.staging"
local workers = require "kong.plugins.silverback.workers"

local to_hex = bytes.to_hex


-- How often a commit starts over because another publisher was faster.
local RACES = 8
local OWNER = "owner"
local NO_PUBLISHER = bytes.zeros(8)


local M = {}
local methods = {}
local mt = { __index = methods }


-- `options`: store, dict (shared dictionary), pages (of the pool), workers (their number), pause (may
-- yield), committed (called after a table got into effect).
function M.new(options)
  return setmetatable(options, mt)
end


-- This worker's publisher; opened at its first commit, for it reads the header of every page.
function methods.publisher(self)
  if not self.opened then
    local opened, err = publish.open(self.store, self.pages)
    if not opened then
      return nil, err
    end

    self.opened = opened
  end

  return self.opened
end


-- Is this commit for the table that is in effect?
local function check(self, commit, epoch, digest)
  if commit.adopt then
    return true
  end

  local owner = self.dict:get(OWNER) or NO_PUBLISHER
  if owner ~= NO_PUBLISHER and commit.publisher ~= NO_PUBLISHER and owner ~= commit.publisher then
    return nil, { kind = "other_publisher", publisher = owner }
  end

  if commit.expected.epoch ~= epoch or commit.expected.digest ~= digest then
    return nil, { kind = "conflict", epoch = epoch, digest = digest }
  end

  return true
end


-- The logical root that the commit describes, checked against its digest.
local function new_root(commit, current, epoch, digest)
  local raw = commit.root
  if commit.delta then
    for _, name in ipairs({ "root", "previous" }) do
      local known = current[name]
      if known and not raw and read.logical_digest(known) == commit.delta.base then
        raw = root.change(known.root, commit.delta.changes)
      end
    end

    if not raw then
      return nil, { kind = "unknown_base", epoch = epoch, digest = digest }
    end
  end

  if root.digest(raw) ~= commit.digest then
    return nil, { kind = "digest_mismatch", digest = commit.digest }
  end

  if not root.is_consistent(raw) then
    return nil, { kind = "malformed", what = "root" }
  end

  return raw
end


local function given_segments(commit, pause)
  local given = {}
  for _, segment in ipairs(commit.segments) do
    if blake3.digest(segment.bytes, pause) ~= segment.digest then
      return nil, { kind = "digest_mismatch", digest = segment.digest }
    end

    given[segment.digest] = segment.bytes
  end

  return given
end


-- One try: the result, or nil and an error.
local function try(self, publisher, commit, given)
  local current, err = read.current(self.store)
  if not current then
    return nil, err
  end

  local epoch, digest = read.table_of(current)
  if epoch > 0 and digest == commit.digest then
    return { epoch = epoch, pages = 0, segments = 0 }
  end

  local ok
  ok, err = check(self, commit, epoch, digest)
  if not ok then
    return nil, err
  end

  local raw
  raw, err = new_root(commit, current, epoch, digest)
  if not raw then
    return nil, err
  end

  local put = {}
  local result
  result, err = publisher:publish(raw, function(segment)
    local wanted = root.digest_of(raw, segment)
    local segment_bytes = given[wanted]
    if not segment_bytes then
      segment_bytes = staging.get(self.dict, wanted)
      put[wanted] = true
    end

    return segment_bytes
  end, { expected = { epoch = epoch, digest = digest }, pause = self.pause })
  if not result then
    err.root = raw
    return nil, err
  end

  self.dict:set(OWNER, commit.publisher)
  staging.clear(self.dict, put)
  return result
end


local function run(self, body)
  local commit, err = commits.decode(body)
  if not commit then
    return nil, err
  end

  local given
  given, err = given_segments(commit, self.pause)
  if not given then
    return nil, err
  end

  local publisher
  publisher, err = self:publisher()
  if not publisher then
    return nil, err
  end

  local result
  for _ = 0, RACES do
    result, err = try(self, publisher, commit, given)
    if result or err.kind ~= "raced" then
      break
    end
  end

  if not result then
    return nil, err
  end

  return {
    schemaVersion = 1,
    epoch = result.epoch,
    root = to_hex(commit.digest),
    pages = result.pages,
    segments = result.segments,
  }
end


-- POST commit.
function methods.commit(self, body)
  local answer, err = run(self, body)
  if not answer then
    counters.add("refused")
    return errors.answer(err)
  end

  counters.add("commits")
  if self.committed then
    self.committed(answer.epoch)
  end

  return 200, answer
end


-- Is this segment in the current root already?
local function is_in_table(self, piece)
  local current = read.current(self.store)
  local decoded = current and current.root
  if not decoded then
    return false
  end

  for segment = 0, keys.SEGMENTS - 1 do
    if root.digest_of(decoded.root, segment) == piece.digest then
      return root.len(decoded.root, segment) == piece.length
    end
  end

  return false
end


-- PUT segments/:digest?length=L&offset=O.
function methods.put(self, digest, query, body)
  local piece, err = commits.piece(digest, query, #body)
  if not piece then
    return errors.answer(err)
  end

  local stored
  if is_in_table(self, piece) then
    stored = { received = piece.length, complete = true, known = true }
  else
    stored, err = staging.put(self.dict, piece, body, self.pause)
  end

  if not stored then
    return errors.answer(err)
  end

  return stored.known and 200 or 201, {
    schemaVersion = 1,
    digest = to_hex(piece.digest),
    length = piece.length,
    received = stored.received,
    complete = stored.complete,
  }
end


-- GET status.
function methods.status(self)
  local current, err = read.current(self.store)
  if not current then
    return errors.answer(err)
  end

  local epoch, digest = read.table_of(current)
  return 200, {
    schemaVersion = 1,
    protocol = commits.PROTOCOL,
    tableFormats = keys.FORMATS,
    epoch = epoch,
    root = to_hex(digest),
    publisher = bytes.id_to_hex(self.dict:get(OWNER) or NO_PUBLISHER),
    pages = { total = self.pages, free = publish.free(self.pages, current), length = keys.PAGE_LEN },
    workers = (workers.all(self.dict, self.workers)),
    counters = counters.all(),
  }
end


-- GET ready.
function methods.ready(self)
  local current, err = read.current(self.store)
  local list, behind = workers.all(self.dict, self.workers)
  local epoch = current and current.record.epoch or 0
  local reason
  if not current then
    reason = err.reason or err.what
  elseif epoch == 0 then
    reason = "no table was published yet"
  elseif behind then
    reason = "worker " .. behind .. " has not read the table yet"
  end

  return reason and 503 or 200, {
    schemaVersion = 1, ready = reason == nil, epoch = epoch, workers = list, reason = reason,
  }
end


return M
