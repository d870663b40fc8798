-- Segments that were put and that no commit has used yet. They lie in the shared dictionary, because the
-- next request may meet another worker.

local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local commit = require "kong.plugins.silverback.node.commit"

local ceil = math.ceil
local concat = table.concat
local min = math.min


-- Seconds until what no commit has used is dropped.
local LIFE = 120
local PIECE = commit.MAX_BODY


local M = {}


local function piece_key(digest, number)
  return "piece:" .. bytes.to_hex(digest) .. ":" .. number
end


local function segment_key(digest)
  return "segment:" .. bytes.to_hex(digest)
end


local function drop(dict, digest, length)
  for number = 0, ceil(length / PIECE) - 1 do
    dict:delete(piece_key(digest, number))
  end

  dict:delete(segment_key(digest))
end


local function assemble(dict, digest, length)
  local parts = {}
  for number = 0, ceil(length / PIECE) - 1 do
    local part = dict:get(piece_key(digest, number))
    if not part then
      return nil
    end

    parts[number + 1] = part
  end

  return concat(parts)
end


-- A segment that is here whole and was checked; nil if not.
function M.get(dict, digest)
  local length = dict:get(segment_key(digest))
  local segment = length and assemble(dict, digest, length)
  -- A piece may have been dropped since.
  return segment and #segment == length and segment or nil
end


-- Forgets segments: a commit has used them.
function M.clear(dict, digests)
  for digest in pairs(digests) do
    local length = dict:get(segment_key(digest))
    if length then
      drop(dict, digest, length)
    end
  end
end


local function received(dict, piece)
  local sum = 0
  for number = 0, ceil(piece.length / PIECE) - 1 do
    -- `ttl` says whether a key is there without copying its value.
    if dict:ttl(piece_key(piece.digest, number)) then
      sum = sum + min(PIECE, piece.length - number * PIECE)
    end
  end

  return sum
end


-- Takes a piece in: { received, complete, known }, or nil and an error.
function M.put(dict, piece, body, pause)
  local known = dict:get(segment_key(piece.digest))
  if known then
    if known ~= piece.length then
      return nil, { kind = "malformed", what = "length" }
    end

    return { received = piece.length, complete = true, known = true }
  end

  -- safe_set: what is missing room must not push out somebody else's pieces.
  local ok, reason = dict:safe_set(piece_key(piece.digest, piece.number), body, LIFE)
  if not ok then
    return nil, { kind = reason == "no memory" and "staging_full" or "internal", what = reason }
  end

  local here = received(dict, piece)
  if here < piece.length then
    return { received = here, complete = false, known = false }
  end

  local segment = assemble(dict, piece.digest, piece.length)
  if not segment or blake3.digest(segment, pause) ~= piece.digest then
    drop(dict, piece.digest, piece.length)
    return nil, { kind = "digest_mismatch", digest = piece.digest }
  end

  ok, reason = dict:safe_set(segment_key(piece.digest), piece.length, LIFE)
  if not ok then
    return nil, { kind = "staging_full", what = reason }
  end

  return { received = piece.length, complete = true, known = false }
end


return M
