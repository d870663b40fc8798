-- Kong's side in a real nginx: what kong/init.lua and kong/runloop of 3.9.3 do with a request, as far as the plugin
-- meets it. The zone is a shared dictionary, the filter a header with its plan.

local M = {}


local runtime = { getters = {}, setters = {} }


function runtime.add_getter(name, f)
  runtime.getters[name] = f
end


function runtime.add_setter(name, f)
  runtime.setters[name] = f
end


function runtime.get(name)
  return runtime.getters[name](kong, ngx, ngx.ctx)
end


function runtime.set(name, value)
  return runtime.setters[name](kong, ngx, ngx.ctx, value)
end


local function filter()
  local plan = ngx.var.http_x_plan
  ngx.req.clear_header("x-plan")
  if plan then
    assert(runtime.set("kong.silverback.plan", (plan:gsub("..", function(pair)
      return string.char(tonumber(pair, 16))
    end))))
  end
end


local function zone()
  local dict = ngx.shared.zone
  return {
    lock = function() end,
    unlock = function() end,
    get = function(_, key)
      local value, cas = dict:get(key)
      if value == nil then
        return nil
      end
      return value, cas or 0
    end,
    set = function(_, key, value, cas)
      local old, now = dict:get(key)
      if (old and now or 0) ~= cas then
        return 0
      end
      local ok, reason = dict:safe_set(key, value, 0, cas + 1)
      if not ok then
        return nil, reason
      end
      return 1
    end,
  }
end


local function tls()
  return true
end


function M.init(dir)
  package.loaded["resty.wasmx.shm"] = { silverback = zone() }
  package.loaded["kong.runloop.wasm.properties"] = runtime
  package.loaded["kong.runloop.wasm"] = {
    enabled = function() return true end,
    filters_by_name = { silverback = {} },
    attach = function(ctx)
      ctx.ran_wasm = not ngx.var.http_x_no_chain
    end,
  }
  package.loaded["resty.wasmx.proxy_wasm"] = {
    new = function() return "plan" end,
    load = function() return true end,
    attach = function() return true end,
    set_host_properties_handlers = function() return true end,
  }
  package.loaded["resty.kong.grpc"] = { set_authority = tls }
  _G.kong = {
    -- 12 pages, as the script of the node has.
    configuration = { prefix = dir, nginx_wasm_shm_kv_silverback = "290432 eviction=none" },
    response = {
      error = function(status, message)
        ngx.status = status
        ngx.say(message)
        return ngx.exit(status)
      end,
      exit = function(status, body)
        ngx.status = status
        ngx.print(require("cjson").encode(body))
        return ngx.exit(ngx.OK)
      end,
    },
    service = {
      set_tls_verify = tls, set_tls_verify_store = tls, set_tls_verify_depth = tls, set_tls_cert_key = tls,
    },
    db = {},
  }
  _G.Kong = { balancer = M.balancer }
end


-- kong/init.lua, Kong.balancer
function M.balancer()
  local balancer = require "ngx.balancer"
  local data = ngx.ctx.balancer_data
  data.try_count = data.try_count + 1
  data.tries[data.try_count] = {}
  if data.try_count > 1 then
    local previous = data.tries[data.try_count - 1]
    previous.state, previous.code = balancer.get_last_failure()
    if data.type == "name" then
      data.ip, data.port, data.hostname, data.balancer_handle =
        data.balancer:getPeer(true, data.balancer_handle, "")
    end
  elseif data.retries > 0 then
    balancer.set_more_tries(data.retries)
  end

  assert(balancer.set_current_peer(data.ip, data.port))
  balancer.set_timeouts(data.connect_timeout / 1000, data.send_timeout / 1000, data.read_timeout / 1000)
end


function M.rewrite(handler)
  if handler.rewrite then
    handler:rewrite()
    filter()
  end
end


-- Kong's router: a route for each set, and a catch-all.
local function route()
  local set = ngx.req.get_headers(0).silverbackset
  if type(set) == "string" then
    return { id = set, name = "set " .. set, headers = { silverbackset = { set } } }
  end

  return { id = "r", name = ngx.var.http_x_route or "all" }
end


function M.access(handler)
  local ctx, var = ngx.ctx, ngx.var
  ctx.route = route()
  ctx.service = { id = "s", name = "placeholder", host = "224.0.0.1", protocol = "http" }
  ctx.balancer_data = {
    type = "ipv4", host = "224.0.0.1", ip = "224.0.0.1", port = 9, try_count = 0, tries = {}, retries = 0,
    connect_timeout = 60000, send_timeout = 60000, read_timeout = 60000, scheme = "http",
  }
  var.upstream_uri = var.uri
  if handler.access then
    handler:access()
  else
    package.loaded["kong.runloop.wasm"].attach(ctx)
  end

  -- kong/runloop/handler.lua, access.after
  if var.request_uri:sub(-1) == "?" or var.is_args == "?" then
    var.upstream_uri = var.upstream_uri .. "?" .. (var.args or "")
  end

  if not handler.access then
    filter()
  end
end


function M.log()
  local data = ngx.ctx.balancer_data
  if data and data.balancer_handle then
    local _, value = runtime.get("kong.silverback.result")
    ngx.log(ngx.NOTICE, "result=", require("kong.plugins.silverback.table.bytes").to_hex(value),
            " service=", ngx.ctx.service.name)
    data.balancer_handle:release()
    data.balancer:afterBalance(ngx.ctx, data.balancer_handle)
  end
end


function M.admin()
  local api = require "kong.plugins.silverback.api"
  local digest = ngx.var.uri:match("/segments/(.*)")
  local route_ = digest and "/silverback/v1/segments/:digest" or ngx.var.uri
  return api[route_][ngx.req.get_method()]({ params = { digest = digest } })
end


-- What the upstream sees.
function M.echo()
  ngx.req.read_body()
  local headers = ngx.req.get_headers(0)
  ngx.print(require("cjson").encode({
    address = ngx.var.server_addr, uri = ngx.var.request_uri, headers = headers, body = ngx.req.get_body_data(),
  }))
end


return M
