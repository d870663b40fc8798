-- Puts a plan into Kong's request: balancer data, nginx variables, headers, TLS, names. In chain mode it runs in
-- the setter of the plan, behind Kong's access phase; in early mode in the plugin's access handler.

local bytes = require "kong.plugins.silverback.table.bytes"
local counters = require "kong.plugins.silverback.counters"
local names = require "kong.plugins.silverback.names"
local tls = require "kong.plugins.silverback.tls"

local find = string.find
local sub = string.sub


local NO_POLICY = bytes.zeros(8)
local IS_TLS = { https = true, grpcs = true }
local IS_GRPC = { grpc = true, grpcs = true }


local M = {}


-- Can nginx speak the plan's protocol where this request is? Status and counter if not.
local function check_protocol(plan, var)
  if plan.protocol == "h2c" then
    return 502, "no_h2c"
  end

  -- Which module of nginx proxies was decided by the placeholder service: gRPC has a twin.
  if (var.kong_proxy_mode == "grpc") ~= (IS_GRPC[plan.protocol] == true) then
    return 502, "wrong_protocol"
  end

  return nil
end


-- Names, and the TLS policy as part of the keep-alive pool's name. Status and counter if the policy is unknown.
local function set_identity(ctx, plan)
  local policy
  if IS_TLS[plan.protocol] then
    policy = tls.apply(plan.tls_policy or NO_POLICY)
    if not policy then
      return 502, "tls_unknown"
    end
  end

  if ctx.route then
    ctx.route = names.route(ctx.route, plan.route_name, plan.tags)
  end

  if ctx.service then
    ctx.service = names.service(ctx.service, plan.service_name, policy)
  end

  return nil
end


-- Kong's template takes $upstream_host for the Host header, SNI and the name that is verified, so they cannot
-- differ: where the plan has a server name it must win, or another server would be trusted.
local function upstream_host(plan, var)
  local host = plan.host or var.http_host or ""
  local name = plan.server_name
  if IS_TLS[plan.protocol] and name and name ~= "" and name ~= host then
    counters.add("server_name_as_host")
    return name
  end

  return host
end


local function set_headers(plan)
  local req = ngx.req
  for _, name in ipairs(plan.remove_headers) do
    req.clear_header(name)
  end

  for _, header in ipairs(plan.set_headers) do
    req.set_header(header[1], header[2])
  end

  for _, header in ipairs(plan.add_headers) do
    local values = req.get_headers(0)[header[1]]
    if type(values) ~= "table" then
      values = { values }
    end

    values[#values + 1] = header[2]
    req.set_header(header[1], values)
  end
end


-- In early mode Kong appends the client's query itself (runloop/handler.lua, access.after), so the query must be
-- where it takes it from.
local function set_uri(plan, var, early)
  local uri = plan.uri
  if not uri then
    return
  end

  if not early then
    var.upstream_uri = uri
    return
  end

  local at = find(uri, "?", 1, true)
  ngx.req.set_uri_args(at and sub(uri, at + 1) or "")
  var.upstream_uri = at and sub(uri, 1, at - 1) or uri
end


local function set_balancer_data(state, plan, balancer_data, host)
  local ip, port = state:next_endpoint()
  -- An address: Kong's balancer.execute takes it as it is. state.lua changes the type for further tries.
  balancer_data.type = sub(ip, 1, 1) == "[" and "ipv6" or "ipv4"
  balancer_data.host = ip
  balancer_data.ip = ip
  balancer_data.port = port
  balancer_data.hostname = host ~= "" and host or ip
  -- Or a second try would get the address as its Host.
  balancer_data.preserve_host = true
  balancer_data.retries = plan.tries - 1
  balancer_data.connect_timeout = plan.connect
  -- Not write_timeout, which Kong's own set_timeouts sets and nobody reads.
  balancer_data.send_timeout = plan.send
  balancer_data.read_timeout = plan.read
  balancer_data.scheme = plan.protocol
end


-- true, or nil, a status and the counter's name.
function M.plan(ctx, state, early)
  local plan, var = state.plan, ngx.var
  local status, counter = check_protocol(plan, var)
  if not status then
    status, counter = set_identity(ctx, plan)
  end

  if status then
    return nil, status, counter
  end

  local host = upstream_host(plan, var)
  set_balancer_data(state, plan, ctx.balancer_data, host)
  var.upstream_scheme = plan.protocol
  var.upstream_host = host
  if IS_GRPC[plan.protocol] and not require("resty.kong.grpc").set_authority(host) then
    return nil, 500, "bad_plans"
  end

  set_uri(plan, var, early)
  set_headers(plan)
  if plan.retry_codes then
    counters.add("retry_approximated")
  end

  return true
end


return M
