-- The three properties of the contract (docs/contract.md), as getters and setters of Kong's filter runtime.
--
-- A setter never refuses and never raises an error: in ngx_wasm_module that is a trap, the client's 500 and the
-- loss of the worker's filter instance. What is wrong is noted in the request's state and answered later.

local apply = require "kong.plugins.silverback.apply"
local bytes = require "kong.plugins.silverback.table.bytes"
local plans = require "kong.plugins.silverback.plan"
local request = require "kong.plugins.silverback.request"
local result = require "kong.plugins.silverback.result"
local settings = require "kong.plugins.silverback.settings"
local states = require "kong.plugins.silverback.state"

local pcall = pcall


-- Errors that are logged by a worker; all are counted.
local LOGGED = 100
local NO_SET = "0000000000000000"


local M = {}

local logged = 0


local function log(...)
  if logged < LOGGED then
    logged = logged + 1
    ngx.log(ngx.ERR, "[silverback] ", ...)
  end
end


local function get_request(_, ngx_)
  return true, request.of(ngx_.var), false
end


local function get_result(_, ngx_, ctx)
  local state = ctx.silverback
  local balancer_data = ctx.balancer_data
  if not state or not state.plan or not balancer_data then
    return true, nil, false
  end

  local tries = state.refuse and {} or result.tries(balancer_data, state.plan.count, ngx_.var)
  return true, result.encode(ngx_.status, tries), false
end


-- Chain mode: Kong has run the plugins of the route that it matched, so it must be the rule's.
local function is_rule_s_route(ctx, plan)
  local name = ctx.route and ctx.route.name
  return name ~= nil and name == plan.route_name
end


local function take_chain(ctx, state, plan)
  if plan.plugin_set and not is_rule_s_route(ctx, plan) then
    log("rule ", plan.route_name or "?", " wants plugins that Kong's route ", ctx.route and ctx.route.name or "?",
        " does not have")
    return state:refused(500, "wrong_route")
  end

  local ok, status, counter = apply.plan(ctx, state, false)
  if not ok then
    log("a plan cannot be executed: ", counter)
    return state:refused(status, counter)
  end

  state.refuse = nil
end


-- Early mode: Kong's router comes later and finds the route with these plugins by the header.
local function take_early(state, plan)
  state.set = plan.plugin_set and bytes.id_to_hex(plan.plugin_set) or NO_SET
  ngx.req.set_header(settings.SET_HEADER, state.set)
  state.refuse = nil
end


local function take(ctx, value)
  local state = ctx.silverback
  if not state then
    state = states.new(503)
    ctx.silverback = state
  end

  local plan, err = plans.decode(value or "")
  if not plan then
    log("a plan was refused: ", err)
    return state:refused(500, "bad_plans")
  end

  if state.plan then
    log("a second plan for one request")
    return state:refused(500, "bad_plans")
  end

  state.plan = plan
  state.started = ngx.now() * 1000
  if state.early then
    return take_early(state, plan)
  end

  return take_chain(ctx, state, plan)
end


local function set_plan(_, _, ctx, value)
  local ok, err = pcall(take, ctx, value)
  if not ok then
    log("error in the setter of the plan: ", tostring(err))
    pcall(function()
      ctx.silverback = ctx.silverback or states.new(500)
      ctx.silverback:refused(500, "bad_plans")
    end)
  end

  return true
end


-- A getter that raises an error is a trap too: what cannot be had is not there.
local function guarded(getter)
  return function(...)
    local ok, _, value, const = pcall(getter, ...)
    if not ok then
      return true, nil, false
    end

    return true, value, const
  end
end


-- Registers them with Kong's runtime (kong.runloop.wasm.properties).
function M.register(runtime)
  runtime.add_getter("kong.silverback.request", guarded(get_request))
  runtime.add_getter("kong.silverback.result", guarded(get_result))
  runtime.add_setter("kong.silverback.plan", set_plan)
end


return M
