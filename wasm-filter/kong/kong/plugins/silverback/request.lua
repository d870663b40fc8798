-- Writes `kong.silverback.request` (docs/contract.md, wasm-filter/core/src/contract/request.rs).
--
--   u8 version = 1 | u8 flags | u16 port | host | path | method | sni | source      each text: u16 length, bytes

local char = string.char
local floor = math.floor


local VERSION = 1
local TLS = 1
local MAX = 0xffff


local M = {}


local function prefixed(text)
  local len = #text
  return char(len % 256, floor(len / 256)) .. text
end


-- The message; nil if a text is longer than it can say.
function M.encode(tls, port, host, path, method, sni, source)
  if #host > MAX or #path > MAX or #method > MAX or #sni > MAX or #source > MAX then
    return nil
  end

  return char(VERSION, tls and TLS or 0, port % 256, floor(port / 256))
    .. prefixed(host) .. prefixed(path) .. prefixed(method) .. prefixed(sni) .. prefixed(source)
end


-- The message of nginx's current request, everything as the client sent it.
function M.of(var)
  local source = var.remote_addr or ""
  return M.encode(
    var.https == "on",
    tonumber(var.server_port) or 0,
    var.http_host or "",
    var.request_uri or "",
    var.request_method or "",
    var.ssl_server_name or "",
    -- "unix:" is no address.
    source:find("^unix:") and "" or source
  )
end


return M
