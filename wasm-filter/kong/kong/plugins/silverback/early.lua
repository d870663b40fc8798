-- Attach mode `early`: the filter runs behind the rewrite phase, before Kong's router, and is the only matcher.
-- Its plan names a plugin set; the set's id in a header makes Kong's router choose the static route that has
-- these plugins. Then the plan is applied.

local apply = require "kong.plugins.silverback.apply"
local counters = require "kong.plugins.silverback.counters"
local settings = require "kong.plugins.silverback.settings"
local states = require "kong.plugins.silverback.state"


local M = {}


-- Makes the filter plan of this worker. In init_worker; nil and why not.
function M.init(proxy_wasm, properties)
  local plan, err = proxy_wasm.new({ { name = settings.FILTER, config = settings.filter_config } })
  if not plan then
    return nil, err
  end

  local ok
  ok, err = proxy_wasm.load(plan)
  if not ok then
    return nil, err
  end

  M.plan, M.proxy_wasm, M.properties = plan, proxy_wasm, properties
  return true
end


local function attach()
  if not M.plan then
    return nil
  end

  return M.proxy_wasm.attach(M.plan)
    and M.proxy_wasm.set_host_properties_handlers(M.properties.get, M.properties.set)
end


-- The plugin's rewrite handler.
function M.rewrite(ctx)
  -- A client must never choose its plugins. Lua's clear_header takes every header of the name, the filter's
  -- remove only the first.
  ngx.req.clear_header(settings.SET_HEADER)
  local state = states.new(503)
  state.early = true
  ctx.silverback = state
  if not attach() then
    counters.add("not_loaded")
    return kong.response.error(503, "routing filter is not loaded")
  end

  -- Kong would try to attach the route's own chain and answer 500, because there is one already.
  ctx.wasm_attached = true
end


-- Has Kong matched the route of this plugin set? With more headers than lua_max_req_headers its router does not
-- see the header that was set last, and takes the catch-all.
local function is_set_s_route(ctx, set)
  local headers = ctx.route and ctx.route.headers
  local values = headers and headers[settings.SET_HEADER]
  return values ~= nil and values[1] == set and values[2] == nil
end


-- The plugin's access handler, before all others.
function M.access(ctx)
  local state = ctx.silverback
  if not state or not state.early then
    counters.add("not_loaded")
    return kong.response.error(503, "routing filter is not loaded")
  end

  if state.refuse then
    -- What was wrong with a plan was counted when it came.
    if not state.plan and state.refuse == 503 then
      counters.add("no_plan")
    end

    return kong.response.error(state.refuse)
  end

  if not is_set_s_route(ctx, state.set) then
    counters.add("wrong_route")
    return kong.response.error(503, "no route with the plugins of this rule")
  end

  local ok, status, counter = apply.plan(ctx, state, true)
  if not ok then
    state:refused(status, counter)
    return kong.response.error(status)
  end
end


return M
