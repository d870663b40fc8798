-- One request's plan and what came of it. It is also Kong's balancer object and its handle: Kong asks it for
-- the next endpoint after a try that failed.

local counters = require "kong.plugins.silverback.counters"
local mirror = require "kong.plugins.silverback.mirror"
local plans = require "kong.plugins.silverback.plan"

local endpoint = plans.endpoint
local min = math.min


local M = {}
local methods = {}
local mt = { __index = methods }


-- A request that may not be proxied yet: without a plan it is answered with `status`.
function M.new(status)
  return setmetatable({ refuse = status, tries = 0 }, mt)
end


-- A decision to answer instead of to proxy.
function methods.refused(self, status, counter)
  self.refuse = status
  counters.add(counter)
end


-- The address of the try that comes next; the list wraps round, because a stale connection from the
-- keep-alive pool gives nginx one try more than it was told.
function methods.next_endpoint(self)
  local plan = self.plan
  local n = self.tries % plan.count + 1
  self.tries = self.tries + 1
  return endpoint(plan.endpoints, 1, n)
end


-- nginx has no limit for a whole try or request: each timeout becomes the smallest of itself, the try's
-- deadline, and what is left of the request's. false: nothing is left.
function methods.limit_time(self, balancer_data, now)
  local plan = self.plan
  if not plan.deadline then
    return true
  end

  local limit = plan.try_deadline > 0 and plan.try_deadline or plan.deadline
  if plan.deadline > 0 then
    limit = min(limit, plan.deadline - (now - self.started))
  end

  if limit < 1 then
    return false
  end

  balancer_data.connect_timeout = min(plan.connect, limit)
  balancer_data.send_timeout = min(plan.send, limit)
  balancer_data.read_timeout = min(plan.read, limit)
  return true
end


-- Before each try, in the balancer phase: the status to end the request with, or nil. `failure` gives how the
-- try before ended: "failed" or "next", and a code.
function methods.before_try(self, balancer_data, now, failure)
  if self.refuse then
    return self.refuse
  end

  if balancer_data.try_count == 0 then
    -- Kong resolves the address of the first try before; from now on it asks this object.
    balancer_data.type = "name"
    balancer_data.balancer = M.balancer
    balancer_data.balancer_handle = self
  else
    local state, code = failure()
    local codes = self.plan.retry_codes
    if state == "next" and not (codes and codes[code]) then
      -- proxy_next_upstream names this code for all requests; this rule does not.
      return code
    end
  end

  if not self:limit_time(balancer_data, now) then
    counters.add("deadline_over")
    return 504
  end

  return nil
end


-- Kong calls this in its log phase.
function methods.release(self)
  if self.plan and #self.plan.mirrors > 0 then
    mirror.start(self.plan)
  end
end


local function nothing() end


-- Kong's side of a balancer (kong/runloop/balancer): one for all requests, the handle is the state.
M.balancer = {
  getPeer = function(_, _, state)
    local ip, port = state:next_endpoint()
    return ip, port, ip, state
  end,
  report_timeout = nothing,
  report_tcp_failure = nothing,
  report_http_status = nothing,
  afterBalance = nothing,
}


return M
