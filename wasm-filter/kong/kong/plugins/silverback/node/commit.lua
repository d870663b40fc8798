-- The body of POST /silverback/v1/commit (docs/node-protocol.md, wasm-filter/core/src/node/commit.rs).

local bytes = require "kong.plugins.silverback.table.bytes"
local keys = require "kong.plugins.silverback.table.keys"
local root = require "kong.plugins.silverback.table.root"

local byte = string.byte
local floor = math.floor
local sub = string.sub


local MAGIC = "SBCM"
local PROTOCOL = 1
local ADOPT = 1
local WHOLE = 0
local DELTA = 1
local HEADER = 60
local ENTRY = 24


local M = { MAX_BODY = 262144, PROTOCOL = PROTOCOL }


local function malformed(what)
  return nil, { kind = "malformed", what = what }
end


local function is_known(format)
  for _, known in ipairs(keys.FORMATS) do
    if known == format then
      return true
    end
  end

  return false
end


local function read_delta(body, at)
  local count = bytes.u32(body, at + 16)
  if not count or count > keys.SEGMENTS or #body < at + 19 + count * ENTRY then
    return malformed("delta")
  end

  local delta = { base = sub(body, at, at + 15), changes = {} }
  at = at + 20
  local last = -1
  for i = 1, count do
    local segment = bytes.u32(body, at)
    if segment >= keys.SEGMENTS or segment <= last then
      return malformed("delta")
    end

    delta.changes[i] = { segment, sub(body, at + 4, at + ENTRY - 1) }
    last = segment
    at = at + ENTRY
  end

  return delta, at
end


local function read_segments(body, at)
  local count = bytes.u32(body, at)
  if not count or count > keys.SEGMENTS then
    return malformed("segments")
  end

  at = at + 4
  local segments = {}
  for i = 1, count do
    local len = bytes.u32(body, at + 16)
    if not len or #body < at + 19 + len then
      return malformed("segments")
    end

    segments[i] = { digest = sub(body, at, at + 15), bytes = sub(body, at + 20, at + 19 + len) }
    at = at + 20 + len
  end

  if at <= #body then
    return malformed("end")
  end

  return segments
end


local function read_head(body)
  if sub(body, 1, 4) ~= MAGIC then
    return malformed("magic")
  end

  if bytes.u16(body, 5) ~= PROTOCOL then
    return malformed("version")
  end

  local format = bytes.u16(body, 7)
  if not format then
    return malformed("table format")
  end

  if not is_known(format) then
    return nil, { kind = "format", format = format }
  end

  local flags, kind = byte(body, 9, 10)
  if not flags or flags > ADOPT then
    return malformed("flags")
  end

  if not kind or kind > DELTA then
    return malformed("root kind")
  end

  if bytes.u16(body, 11) ~= 0 then
    return malformed("reserved")
  end

  if #body < HEADER then
    return malformed("header")
  end

  local expected = bytes.u64(body, 21)
  if not expected then
    return malformed("expected epoch")
  end

  return {
    adopt = flags == ADOPT,
    publisher = sub(body, 13, 20),
    expected = { epoch = expected, digest = sub(body, 29, 44) },
    digest = sub(body, 45, 60),
    kind = kind,
  }
end


-- Reads a body. nil and an error: { kind = "malformed", what } or { kind = "format", format } or
-- { kind = "too_large", len }.
function M.decode(body)
  if #body > M.MAX_BODY then
    return nil, { kind = "too_large", len = #body }
  end

  local commit, err = read_head(body)
  if not commit then
    return nil, err
  end

  local at = HEADER + 1
  if commit.kind == WHOLE then
    commit.root = sub(body, at, at + keys.ROOT_LEN - 1)
    at = at + keys.ROOT_LEN
    if not root.is(commit.root) then
      return malformed("root")
    end
  else
    commit.delta, at = read_delta(body, at)
    if not commit.delta then
      return nil, at
    end
  end

  commit.segments, err = read_segments(body, at)
  if not commit.segments then
    return nil, err
  end

  return commit
end


-- Which piece of a segment a PUT brings: { digest, length, offset }. `query` has strings by name.
function M.piece(digest, query, body_len)
  if body_len > M.MAX_BODY then
    return nil, { kind = "too_large", len = body_len }
  end

  digest = bytes.from_hex(digest, 32)
  if not digest then
    return malformed("digest")
  end

  local numbers = { length = body_len, offset = 0 }
  for name in pairs(numbers) do
    local given = query[name]
    if given ~= nil then
      if type(given) ~= "string" or not given:find("^%d+$") or #given > 15 then
        return malformed(name)
      end

      numbers[name] = tonumber(given)
    end
  end

  local length, offset = numbers.length, numbers.offset
  if length == 0 or length > keys.MAX_PAGES * keys.PAGE_USED then
    return malformed("length")
  end

  if offset % M.MAX_BODY ~= 0 or offset >= length then
    return malformed("offset")
  end

  if math.min(length - offset, M.MAX_BODY) ~= body_len then
    return malformed("body")
  end

  return { digest = digest, length = length, offset = offset, number = floor(offset / M.MAX_BODY) }
end


return M
