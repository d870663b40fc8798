-- Where the plugin hooks into Kong: behind the attaching of filter chains, to see that there was one, and before
-- each try of the balancer.

local counters = require "kong.plugins.silverback.counters"
local settings = require "kong.plugins.silverback.settings"
local states = require "kong.plugins.silverback.state"


local M = {}


-- Is this one of the services whose requests are dead without a plan?
local function is_placeholder(service)
  return service ~= nil and service.host == settings.PLACEHOLDER
end


-- Chain mode: after Kong has attached the route's filter chain, in its access phase.
local function after_attach(ctx)
  if ctx.silverback or not is_placeholder(ctx.service) then
    return
  end

  if not ctx.ran_wasm then
    counters.add("not_loaded")
    return kong.response.error(503, "routing filter is not loaded")
  end

  -- Until the filter sets a plan: fail closed.
  ctx.silverback = states.new(503)
end


-- Wraps kong.runloop.wasm.attach, which Kong calls by looking it up.
function M.chain(wasm)
  local attach = wasm.attach
  wasm.attach = function(ctx)
    attach(ctx)
    after_attach(ctx)
  end
end


-- Wraps Kong.balancer, which nginx's configuration calls by looking it up, before each try. Here a request
-- without a usable plan ends: a setter cannot answer, and the placeholder's address would only say 502.
function M.balancer(kong_module, last_failure)
  local balancer = kong_module.balancer
  kong_module.balancer = function()
    local ctx = ngx.ctx
    local state = ctx.silverback
    local balancer_data = ctx.balancer_data
    if state and balancer_data then
      local status = state:before_try(balancer_data, ngx.now() * 1000, last_failure)
      if status then
        if not state.plan and status == 503 then
          counters.add("no_plan")
        end

        return ngx.exit(status)
      end
    end

    return balancer()
  end
end


return M
