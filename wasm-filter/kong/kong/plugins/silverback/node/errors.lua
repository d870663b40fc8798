-- Errors of the node protocol: code, status and what belongs to them (docs/node-protocol.md).

local bytes = require "kong.plugins.silverback.table.bytes"
local keys = require "kong.plugins.silverback.table.keys"
local root = require "kong.plugins.silverback.table.root"

local format = string.format
local sort = table.sort
local to_hex = bytes.to_hex


local ZONE_HINT = "nginx_wasm_shm_kv_silverback = 64m eviction=none, then restart the node"
local LARGER_HINT = "a larger zone: nginx_wasm_shm_kv_silverback = 128m eviction=none"


local M = {}
local make = {}


function make.malformed(err)
  return 400, "malformed", format("`%s` is missing or has a value that it cannot have", err.what),
         "docs/node-protocol.md"
end


function make.conflict(err)
  return 409, "conflict", "another table is in effect than the one expected", "read the status and decide anew",
         { epoch = err.epoch, root = to_hex(err.digest) }
end


function make.unknown_base(err)
  return 409, "unknown_base", "the base of the delta is neither the current nor the previous root",
         "send the whole root", { epoch = err.epoch, root = to_hex(err.digest) }
end


function make.other_publisher(err)
  return 409, "other_publisher", "the table in effect is of another publisher",
         "two installations push to this node; to take it over, adopt it",
         { publisher = bytes.id_to_hex(err.publisher) }
end


function make.missing(err)
  local seen, missing = {}, {}
  for _, segment in ipairs(err.segments) do
    local digest = to_hex(root.digest_of(err.root, segment))
    if not seen[digest] then
      seen[digest] = true
      missing[#missing + 1] = digest
    end
  end

  sort(missing)
  return 409, "missing_segments", format("%d segments are missing", #missing), "put them and repeat the commit",
         { missing = missing }
end


function make.too_large(err)
  return 413, "too_large", format("%d bytes are more than a body may have", err.len),
         "send segments in pieces with PUT"
end


function make.format(err)
  return 422, "unsupported_format", format("table format %d is not known here", err.format),
         "update the older of node and publisher", { tableFormats = keys.FORMATS }
end


function make.digest_mismatch(err)
  return 422, "digest_mismatch", "the bytes have another digest than they should",
         "damaged on the way: send them again", { digest = to_hex(err.digest) }
end


function make.digest(err)
  return make.digest_mismatch({ digest = root.digest_of(err.root, err.segment) })
end


function make.zone_full(err)
  return 507, "zone_full", format("%d pages are needed and %d of %d are free", err.needed, err.free, err.pages),
         LARGER_HINT, { needed = err.needed, free = err.free, total = err.pages }
end


function make.staging_full()
  return 507, "staging_full", "no room for segments that no commit has used yet",
         "commit what is there, or put them again later; nginx_http_lua_shared_dict = silverback 64m"
end


function make.store(err)
  if err.reason == "no memory" then
    return 507, "zone_full", "the shared-data zone is full", LARGER_HINT
  end

  return 503, "no_zone", tostring(err.reason), ZONE_HINT
end


function make.foreign(err)
  return 503, "no_zone", err.what .. " in the zone is of another release", ZONE_HINT
end


function make.internal(err)
  return 500, "internal", tostring(err.what or err.kind), "repeat the commit; if it stays, restart the node"
end


-- The HTTP status and the answer of an error.
function M.answer(err)
  local status, code, message, hint, more = (make[err.kind] or make.internal)(err)
  local answer = more or {}
  answer.schemaVersion = 1
  answer.code = code
  answer.message = message
  answer.hint = hint
  return status, answer
end


return M
