-- A stand-in for Kong 3.9 and nginx: as much of them as the plugin touches. `Kong.access` and `Kong.balancer`
-- do what kong/init.lua and kong/runloop do with balancer data.

local fakes = require "spec.support.fakes"

local M = {}


-- Headers as nginx has them: several of one name, `_` and `-` told apart.
local function new_headers(given)
  local headers = {}
  for name, values in pairs(given or {}) do
    headers[name] = type(values) == "table" and values or { values }
  end

  return headers
end


local function ngx_req(world)
  return {
    clear_header = function(name)
      world.headers[name:lower()] = nil
    end,
    set_header = function(name, value)
      world.headers[name:lower()] = type(value) == "table" and value or { value }
    end,
    get_headers = function()
      local result = {}
      for name, values in pairs(world.headers) do
        result[name] = #values == 1 and values[1] or { unpack(values) }
      end
      return result
    end,
    set_uri_args = function(args)
      world.var.args = args
      world.var.is_args = args == "" and "" or "?"
    end,
    get_body_data = function()
      return world.body
    end,
    get_body_file = function()
      return world.body_file
    end,
    read_body = function() end,
    get_uri_args = function()
      return world.args or {}
    end,
  }
end


-- Loads the plugin anew in a world of its own.
function M.world(options)
  options = options or {}
  for name in pairs(package.loaded) do
    if name:find("^kong%.") or name:find("^resty%.") or name:find("^ngx%.") then
      package.loaded[name] = nil
    end
  end

  local world = {
    dict = fakes.dict(),
    store = fakes.store(),
    timers = {},
    logs = {},
    tls = {},
    mirrored = {},
    config = {
      prefix = options.prefix or "/nonexistent",
      nginx_wasm_shm_kv_silverback = options.zone or "2m eviction=none",
    },
    now = 1000,
  }

  _G.ngx = {
    config = { subsystem = "http" },
    worker = {
      id = function() return world.worker or 0 end,
      count = function() return 1 end,
    },
    shared = { silverback = options.dict ~= false and world.dict or nil },
    timer = {
      at = function(_, f, ...)
        if world.no_timers then
          return nil, "too many pending timers"
        end
        world.timers[#world.timers + 1] = { f, ... }
        return true
      end,
      every = function(_, f)
        world.every = f
        return true
      end,
    },
    log = function(level, ...)
      local parts = {}
      for i = 1, select("#", ...) do
        parts[i] = tostring((select(i, ...)))
      end
      world.logs[#world.logs + 1] = { level, table.concat(parts) }
    end,
    CRIT = "crit", ERR = "err", NOTICE = "notice", INFO = "info",
    now = function() return world.now end,
    sleep = function() end,
    md5 = function(text)
      return require("kong.plugins.silverback.table.bytes").to_hex(
        require("kong.plugins.silverback.table.blake3").digest(text))
    end,
    exit = function(status)
      error({ exit = status })
    end,
    req = ngx_req(world),
  }
  local function tls_setter(name)
    return function(...)
      world.tls[name] = { ... }
      return true
    end
  end

  _G.kong = {
    configuration = world.config,
    response = {
      error = function(status, message)
        error({ exit = status, message = message })
      end,
      exit = function(status, body)
        return { status = status, body = body }
      end,
    },
    service = {
      set_tls_verify = tls_setter("verify"),
      set_tls_verify_store = tls_setter("store"),
      set_tls_verify_depth = tls_setter("depth"),
      set_tls_cert_key = tls_setter("cert"),
    },
    db = {
      ca_certificates = {
        select = function(_, key)
          if world.no_certificates then
            return nil
          end
          return { cert = "ca " .. key.id }
        end,
      },
      certificates = {
        select = function(_, key)
          return { cert = "cert " .. key.id, key = "key " .. key.id }
        end,
      },
    },
  }

  local getters, setters = {}, {}
  local wasm = {
    enabled = function() return true end,
    filters_by_name = { silverback = {} },
    -- The filter runs later, in nginx's access phase: see `request`.
    attach = function(ctx)
      if world.chain then
        ctx.ran_wasm = true
      end
    end,
  }
  package.loaded["kong.runloop.wasm"] = wasm
  package.loaded["kong.runloop.wasm.properties"] = {
    add_getter = function(name, f) getters[name] = f end,
    add_setter = function(name, f) setters[name] = f end,
    get = function(name) return getters[name](kong, ngx, ngx.ctx) end,
    set = function(name, value) return setters[name](kong, ngx, ngx.ctx, value) end,
  }
  package.loaded["resty.wasmx.shm"] = {
    silverback = {
      lock = function()
        assert(not world.locked, "locked twice")
        world.locked = true
      end,
      unlock = function()
        assert(world.locked, "not locked")
        world.locked = false
      end,
      get = function(_, key)
        return world.store:get(key)
      end,
      set = function(_, key, value, cas)
        if world.locked then
          return nil, "locked"
        end
        local ok, reason = world.store:set(key, value, cas)
        if ok then
          return 1
        end
        if reason == "cas" then
          return 0
        end
        return nil, reason
      end,
    },
  }
  package.loaded["resty.wasmx.proxy_wasm"] = {
    new = function(filters)
      world.filters = filters
      return "c_plan"
    end,
    load = function() return true end,
    attach = function()
      if world.attach_fails then
        return nil, "plan not loaded"
      end
      world.attached = true
      return true
    end,
    set_host_properties_handlers = function() return true end,
  }
  package.loaded["resty.kong.grpc"] = {
    set_authority = function(value)
      world.authority = value
      return true
    end,
  }
  package.loaded["ngx.balancer"] = {
    get_last_failure = function()
      return unpack(world.failure or {})
    end,
  }
  package.loaded["resty.openssl.x509"] = {
    new = function(pem) return pem end,
  }
  package.loaded["resty.openssl.x509.store"] = {
    new = function()
      return {
        add = function(self, pem)
          self[#self + 1] = pem
          return true
        end,
      }
    end,
  }
  package.loaded["ngx.ssl"] = {
    parse_pem_cert = function(pem) return pem end,
    parse_pem_priv_key = function(pem) return pem end,
  }
  package.loaded["resty.http"] = {
    new = function()
      return {
        set_timeouts = function() end,
        connect = function(_, to)
          if world.refuses and world.refuses[to.host] then
            return nil, "connection refused"
          end
          world.connected = to
          return true
        end,
        request = function(_, request)
          world.mirrored[#world.mirrored + 1] = { to = world.connected, request = request }
          return {}
        end,
        close = function() end,
      }
    end,
  }

  world.get = package.loaded["kong.runloop.wasm.properties"].get
  world.set = package.loaded["kong.runloop.wasm.properties"].set

  _G.Kong = {
    -- kong/init.lua, Kong.balancer, without clocks and keep-alive.
    balancer = function()
      local data = ngx.ctx.balancer_data
      data.try_count = data.try_count + 1
      data.tries[data.try_count] = {}
      if data.try_count > 1 then
        local previous = data.tries[data.try_count - 1]
        previous.state, previous.code = unpack(world.failure)
        if data.balancer then
          data.balancer[previous.code == 504 and "report_timeout" or "report_tcp_failure"](data.balancer_handle)
        end
        -- balancer.execute
        if data.type ~= "name" then
          data.ip = data.host
        else
          data.ip, data.port, data.hostname, data.balancer_handle =
            data.balancer:getPeer(true, data.balancer_handle, "")
        end
      else
        world.more_tries = data.retries
      end
      local service = ngx.ctx.service
      local pool = data.ip .. "|" .. data.port
      if data.scheme == "https" then
        pool = pool .. "|" .. world.var.upstream_host
        if service.client_certificate then
          pool = pool .. "|" .. service.client_certificate.id
        end
      end
      world.peer = {
        address = data.ip .. ":" .. data.port,
        pool = pool,
        timeouts = { data.connect_timeout, data.send_timeout, data.read_timeout },
      }
    end,
  }

  function world.start()
    world.handler = require "kong.plugins.silverback.handler"
    world.handler:init_worker()
    world.shim = require "kong.plugins.silverback.shim"
    return world.shim.problems
  end

  -- A new request as it comes to Kong's access phase.
  function world.request(request)
    request = request or {}
    world.headers = new_headers(request.headers)
    world.body, world.body_file = request.body, request.body_file
    world.var = {
      server_port = "8000", http_host = request.host or "client.test", request_uri = request.uri or "/client?x=1",
      request_method = request.method or "GET", remote_addr = "192.0.2.7", kong_proxy_mode = request.mode or "http",
      upstream_uri = "/kong", upstream_host = "", upstream_scheme = "http", args = "x=1", is_args = "?",
      content_length = request.body and tostring(#request.body) or nil,
    }
    ngx.var = world.var
    ngx.status = 200
    local service = request.service or { id = "s", name = "placeholder", host = "224.0.0.1", protocol = "http" }
    ngx.ctx = {
      route = request.route or { id = "r", name = "all", headers = request.route_headers },
      service = service,
      balancer_data = {
        type = "ipv4", host = service.host, port = 9, ip = service.host, try_count = 0, tries = {}, retries = 0,
        connect_timeout = 60000, send_timeout = 60000, read_timeout = 60000, scheme = "http",
      },
    }
    world.peer = nil
  end

  -- Kong calls the phase `f`; the status that it ended the request with, or nil.
  function world.run(f, ...)
    local ok, result = pcall(f, ...)
    if ok then
      return nil
    end

    if type(result) ~= "table" then
      error(result, 0)
    end

    return result.exit, result.message
  end

  function world.run_timers()
    local timers = world.timers
    world.timers = {}
    for _, timer in ipairs(timers) do
      timer[1](false, unpack(timer, 2))
    end
  end

  -- Kong's log phase, after the request.
  function world.log()
    local data = ngx.ctx.balancer_data
    if data.balancer_handle then
      data.balancer.report_http_status(data.balancer_handle, ngx.status)
      if data.balancer_handle.release then
        data.balancer_handle:release()
      end
      data.balancer:afterBalance(ngx.ctx, data.balancer_handle)
    end
  end

  function world.count(name)
    return world.dict:get("count:" .. name) or 0
  end

  return world
end


-- A plan of these fields: { tag, bytes }.
function M.plan(fields)
  local bytes = require "kong.plugins.silverback.table.bytes"
  local parts = { "\1" .. bytes.put_u64(7) .. bytes.put_u64(9) }
  for _, field in ipairs(fields) do
    parts[#parts + 1] = string.char(field[1]) .. bytes.put_u16(#field[2]) .. field[2]
  end

  return table.concat(parts)
end


-- 10.0.0.`n`:8080, ...
function M.endpoints(...)
  local parts = {}
  for i, n in ipairs({ ... }) do
    parts[i] = string.char(4, 10, 0, 0, n, 144, 31)
  end

  return table.concat(parts)
end


return M
