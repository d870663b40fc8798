-- Reads `kong.silverback.plan` (docs/contract.md, wasm-filter/core/src/contract/plan/decode.rs). What is
-- refused, and how it is named, is the same as in Rust: both are tested with the same cases.
--
--   u8 version = 1 | u64 epoch | u64 rule | field*          field = u8 tag | u16 length | bytes

local bytes = require "kong.plugins.silverback.table.bytes"

local byte = string.byte
local find = string.find
local format = string.format
local sub = string.sub
local u16 = bytes.u16
local u32 = bytes.u32


local VERSION = 1
local MAX_ENDPOINTS = 16
local MAX_MIRRORS = 4
local MAX_RETRY_CODES = 200
local MAX_MS = 0x7fffffff
local FIRST_HINT = 128
local NO_ID = bytes.zeros(8)

local PROTOCOLS = { [0] = "http", "https", "grpc", "grpcs", "h2c" }
local FIXED_HEADERS = { connection = true, ["content-length"] = true, host = true, ["transfer-encoding"] = true }
-- tchar of RFC 9110 5.6.2, without upper case.
local NO_TOKEN = "[^a-z0-9!#$%%&'*+%-.^_`|~]"

local REMOVE_HEADER, SET_HEADER, ADD_HEADER, MIRROR = 7, 9, 10, 13
local REPEATS = { [REMOVE_HEADER] = true, [SET_HEADER] = true, [ADD_HEADER] = true, [MIRROR] = true }


local M = {}


local function bad(field)
  return "bad " .. field
end


local function truncated(field)
  return "truncated " .. field
end


-- Neither CR, LF nor NUL: they could split a header or a log line.
local function is_line(value)
  return not find(value, "[%z\r\n]")
end


-- Checks endpoints from `at` to the end of the value. Their number, or nil and an error.
local function check_endpoints(value, at, field)
  local count, port_zero = 0, false
  while at <= #value do
    if count == MAX_ENDPOINTS then
      return nil, "count " .. field
    end

    local family = byte(value, at)
    local len = family == 4 and 7 or family == 6 and 19
    if not len then
      return nil, bad(field)
    end

    local port = u16(value, at + len - 2)
    if not port then
      return nil, truncated(field)
    end

    port_zero = port_zero or port == 0
    count = count + 1
    at = at + len
  end

  if count == 0 then
    return nil, "count " .. field
  end

  if port_zero then
    return nil, bad(field)
  end

  return count
end


-- Endpoint `n` (from 1) of a checked list that begins at `at`: address as nginx wants it, and port.
function M.endpoint(value, at, n)
  for _ = 2, n do
    at = at + (byte(value, at) == 4 and 7 or 19)
  end

  if byte(value, at) == 4 then
    return format("%d.%d.%d.%d", byte(value, at + 1, at + 4)), u16(value, at + 5)
  end

  local a = { byte(value, at + 1, at + 16) }
  for i = 1, 8 do
    a[i] = format("%x", a[i * 2 - 1] * 256 + a[i * 2])
  end

  return "[" .. table.concat(a, ":", 1, 8) .. "]", u16(value, at + 17)
end


local function text(plan, value, field)
  if not is_line(value) then
    return bad(field)
  end

  plan[field] = value
  return nil
end


-- An empty name is none.
local function name(plan, value, field)
  if value == "" then
    return nil
  end

  return text(plan, value, field)
end


local function header(value, field, list)
  local len = byte(value, 1)
  if not len or #value < 1 + len then
    return truncated(field)
  end

  local key = sub(value, 2, 1 + len)
  local rest = sub(value, 2 + len)
  if len == 0 or find(key, NO_TOKEN) or FIXED_HEADERS[key] or not is_line(rest) then
    return bad(field)
  end

  list[#list + 1] = { key, rest }
  return nil
end


-- So many u32 and nothing behind them; nil and an error.
local function numbers(value, count, field)
  if #value < count * 4 then
    return nil, truncated(field)
  end

  local list = {}
  for i = 1, count do
    list[i] = u32(value, i * 4 - 3)
    if list[i] > MAX_MS then
      return nil, bad(field)
    end
  end

  if #value > count * 4 then
    return nil, bad(field)
  end

  return list
end


-- Each reads one field into the plan and gives an error or nil.
local fields = {}


fields[1] = function(plan, value)
  local count, err = check_endpoints(value, 1, "endpoints")
  plan.endpoints, plan.count = value, count
  return err
end


fields[2] = function(plan, value)
  local list, err = numbers(value, 3, "timeouts")
  if err then
    return err
  end

  for i = 1, 3 do
    if list[i] == 0 then
      return bad("timeouts")
    end
  end

  plan.connect, plan.send, plan.read = list[1], list[2], list[3]
  return nil
end


fields[3] = function(plan, value)
  local tries = byte(value, 1)
  if not tries then
    return truncated("tries")
  end

  if tries == 0 or #value > 1 then
    return bad("tries")
  end

  plan.tries = tries
  return nil
end


fields[4] = function(plan, value)
  if value == "" then
    return truncated("protocol")
  end

  local protocol = PROTOCOLS[byte(value, 1)]
  if not protocol or #value > 1 then
    return bad("protocol")
  end

  plan.protocol = protocol
  return nil
end


fields[5] = function(plan, value)
  return text(plan, value, "host")
end


fields[6] = function(plan, value)
  return text(plan, value, "uri")
end


fields[REMOVE_HEADER] = function(plan, value)
  if value == "" or not is_line(value) then
    return bad("remove_header")
  end

  local list = plan.remove_headers
  list[#list + 1] = value
  return nil
end


fields[8] = function(plan, value)
  if #value < 8 then
    return truncated("tls")
  end

  local server_name = sub(value, 9)
  if not is_line(server_name) then
    return bad("tls")
  end

  plan.tls_policy, plan.server_name = sub(value, 1, 8), server_name
  return nil
end


fields[SET_HEADER] = function(plan, value)
  return header(value, "set_header", plan.set_headers)
end


fields[ADD_HEADER] = function(plan, value)
  return header(value, "add_header", plan.add_headers)
end


fields[11] = function(plan, value)
  local list, err = numbers(value, 2, "deadlines")
  if err then
    return err
  end

  if list[1] == 0 and list[2] == 0 then
    return bad("deadlines")
  end

  plan.deadline, plan.try_deadline = list[1], list[2]
  return nil
end


fields[12] = function(plan, value)
  local backoff = u32(value, 1)
  if not backoff or #value % 2 == 1 then
    return truncated("retry")
  end

  local count = (#value - 4) / 2
  if count > MAX_RETRY_CODES then
    return "count retry"
  end

  local codes = {}
  for i = 1, count do
    local code = u16(value, 3 + i * 2)
    if code < 400 or code > 599 then
      return bad("retry")
    end

    codes[code] = true
  end

  if backoff > MAX_MS then
    return bad("retry")
  end

  plan.retry_codes, plan.backoff = codes, backoff
  return nil
end


fields[MIRROR] = function(plan, value)
  if #plan.mirrors == MAX_MIRRORS then
    return "count mirror"
  end

  local protocol = byte(value, 1)
  if not protocol then
    return truncated("mirror")
  end

  if not PROTOCOLS[protocol] then
    return bad("mirror")
  end

  local count, err = check_endpoints(value, 2, "mirror")
  if err then
    return err
  end

  plan.mirrors[#plan.mirrors + 1] = { protocol = PROTOCOLS[protocol], endpoints = sub(value, 2), count = count }
  return nil
end


fields[14] = function(plan, value)
  if #value < 8 then
    return truncated("plugin_set")
  end

  if sub(value, 1, 8) == NO_ID or #value > 8 then
    return bad("plugin_set")
  end

  plan.plugin_set = value
  return nil
end


fields[128] = function(plan, value)
  return name(plan, value, "route_name")
end


fields[129] = function(plan, value)
  return name(plan, value, "service_name")
end


fields[130] = function(plan, value)
  return name(plan, value, "tags")
end


-- What most plans do not have; never written to.
local NONE = setmetatable({}, { __newindex = function() error("read-only") end })


local function new_plan(value)
  return {
    epoch = sub(value, 2, 9),
    rule = sub(value, 10, 17),
    connect = 60000,
    send = 60000,
    read = 60000,
    tries = 1,
    protocol = "http",
    remove_headers = NONE,
    set_headers = NONE,
    add_headers = NONE,
    mirrors = NONE,
  }
end


local LISTS = {
  [REMOVE_HEADER] = "remove_headers", [SET_HEADER] = "set_headers", [ADD_HEADER] = "add_headers", [MIRROR] = "mirrors",
}


local function read_field(plan, tag, value, seen)
  if seen[tag] and not REPEATS[tag] then
    return "count field"
  end

  seen[tag] = true
  local list = LISTS[tag]
  if list and plan[list] == NONE then
    plan[list] = {}
  end

  local field = fields[tag]
  if field then
    return field(plan, value)
  end

  return tag < FIRST_HINT and "unknown " .. tag or nil
end


-- A plan, or nil and an error. Texts are nil where they are absent.
function M.decode(value)
  local version = byte(value, 1)
  if not version then
    return nil, truncated("version")
  end

  if version ~= VERSION then
    return nil, "version " .. version
  end

  if #value < 17 then
    return nil, truncated(#value < 9 and "epoch" or "rule")
  end

  local plan, seen, at = new_plan(value), {}, 18
  while at <= #value do
    local len = u16(value, at + 1)
    if not len or #value < at + 2 + len then
      return nil, truncated("field")
    end

    local err = read_field(plan, byte(value, at), sub(value, at + 3, at + 2 + len), seen)
    if err then
      return nil, err
    end

    at = at + 3 + len
  end

  if not plan.endpoints then
    return nil, "count endpoints"
  end

  return plan
end


return M
