-- Copies of requests. Made in the log phase, when the client has its answer, and sent from a timer; what comes
-- back is thrown away. Bounded: so many in flight in one worker, each with a short body and short timeouts.

local counters = require "kong.plugins.silverback.counters"
local plans = require "kong.plugins.silverback.plan"
local settings = require "kong.plugins.silverback.settings"


-- The contract's limit for a body.
local MAX_BODY = 65536
local CONNECT, SEND, READ = 1000, 2000, 5000
local SCHEMES = { http = "http", https = "https" }
-- Framing and hop-by-hop: the client library writes its own.
local DROPPED = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true,
  ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true, ["host"] = true,
  ["expect"] = true,
}


local M = { running = 0 }


-- The body, or nil if it is not here whole: longer than the buffer, or streamed.
local function body_of(var)
  local body = ngx.req.get_body_data()
  if body then
    return #body <= MAX_BODY and body or nil
  end

  if var.http_transfer_encoding then
    return nil
  end

  return (tonumber(var.content_length) or 0) == 0 and "" or nil
end


local function copy_of_request()
  local var = ngx.var
  local body = body_of(var)
  if not body then
    return nil
  end

  local headers = {}
  for name, value in pairs(ngx.req.get_headers(0)) do
    if not DROPPED[name] then
      headers[name] = value
    end
  end

  headers.host = var.upstream_host ~= "" and var.upstream_host or var.http_host
  return { method = var.request_method, path = var.upstream_uri, headers = headers, body = body }
end


local function connect(client, mirror, host)
  local reason
  for n = 1, mirror.count do
    local ip, port = plans.endpoint(mirror.endpoints, 1, n)
    local ok
    ok, reason = client:connect({
      scheme = SCHEMES[mirror.protocol], host = ip, port = port, ssl_verify = false, ssl_server_name = host,
    })
    if ok then
      return true
    end
  end

  return nil, reason
end


local function send(request, mirror)
  local client = require("resty.http").new()
  client:set_timeouts(CONNECT, SEND, READ)
  local ok, reason = connect(client, mirror, request.headers.host)
  if ok then
    ok, reason = client:request(request)
  end

  client:close()
  return ok, reason
end


local function run(premature, request, mirror)
  local done, ok, reason = true, false, "the worker ends"
  if not premature then
    done, ok, reason = pcall(send, request, mirror)
  end

  M.running = M.running - 1
  if done and ok then
    counters.add("mirrors_sent")
  else
    counters.add("mirrors_failed")
    ngx.log(ngx.INFO, "[silverback] a mirror failed: ", tostring(done and reason or ok))
  end
end


-- Starts the mirrors of a plan. Never raises an error.
function M.start(plan)
  local ok, request = pcall(copy_of_request)
  for _, mirror in ipairs(plan.mirrors) do
    local started = false
    if ok and request and SCHEMES[mirror.protocol] and M.running < settings.mirrors then
      M.running = M.running + 1
      started = ngx.timer.at(0, run, request, mirror)
      if not started then
        M.running = M.running - 1
      end
    end

    if not started then
      counters.add("mirrors_skipped")
    end
  end
end


return M
