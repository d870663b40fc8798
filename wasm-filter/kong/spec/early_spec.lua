local bytes = require "kong.plugins.silverback.table.bytes"
local kongs = require "spec.support.kong"

local endpoints, plan = kongs.endpoints, kongs.plan


local function early_world()
  local world = kongs.world()
  require("kong.plugins.silverback.settings").attach = "early"
  assert.same({}, world.start())
  return world
end


local NO_SET = "0000000000000000"


-- Kong's router with one static route for each set and a catch-all, as far as the header decides.
local function match(world)
  local values = world.headers.silverbackset
  local value = values and values[1]
  ngx.ctx.route = { id = "r", name = "catch-all" }
  if value and not world.blind then
    ngx.ctx.route = { id = value, name = "set " .. value, headers = { silverbackset = { value } } }
  end
end


local function proxy(world, value, request)
  world.request(request)
  local status = world.run(world.handler.rewrite, world.handler)
  if status then
    return status
  end

  if value then
    world.set("kong.silverback.plan", value)
  end

  match(world)
  status = world.run(world.handler.access, world.handler)
  if status then
    return status
  end

  -- kong/runloop/handler.lua, access.after
  local data, var = ngx.ctx.balancer_data, world.var
  if var.is_args == "?" then
    var.upstream_uri = var.upstream_uri .. "?" .. var.args
  end
  data.scheme = var.upstream_scheme
  assert.is_not.equal("name", data.type, "an address is not looked up")
  data.ip, data.hostname = data.host, data.host
  return world.run(Kong.balancer)
end


describe("early mode", function()
  it("attaches the filter in the rewrite phase and keeps Kong from attaching its own", function()
    local world = early_world()
    assert.equal("silverback", world.filters[1].name)
    assert.is_nil(proxy(world, plan({ { 1, endpoints(1, 2) }, { 3, "\2" } })))
    assert.is_true(world.attached)
    assert.is_true(ngx.ctx.wasm_attached)
    assert.equal("10.0.0.1:8080", world.peer.address)
    world.failure = { "failed", 502 }
    assert.is_nil(world.run(Kong.balancer))
    assert.equal("10.0.0.2:8080", world.peer.address)
  end)

  it("finds the plugins by a header that a client can never set", function()
    local world = early_world()
    local forged = { silverbackset = { "00000000000000ff", "1" } }
    proxy(world, plan({ { 1, endpoints(1) } }), { headers = forged })
    assert.same({ NO_SET }, world.headers.silverbackset)
    proxy(world, plan({ { 1, endpoints(1) }, { 14, bytes.put_u64(0xab) } }), { headers = forged })
    assert.same({ "00000000000000ab" }, world.headers.silverbackset)
    assert.equal("00000000000000ab", ngx.ctx.route.id)
    assert.equal(503, (proxy(world, nil, { headers = forged })), "no plan, no plugins, no service")
    assert.is_nil(world.headers.silverbackset)
  end)

  it("answers 503 when Kong's router did not see the header", function()
    local world = early_world()
    world.blind = true
    assert.equal(503, (proxy(world, plan({ { 1, endpoints(1) } }))))
    assert.equal(1, world.count("wrong_route"))
    assert.is_nil(world.peer)
  end)

  it("answers 503 on another set's route or one with more values", function()
    local world = early_world()
    for _, values in ipairs({ { "00000000000000ff" }, { NO_SET, "x" }, {} }) do
      world.request()
      world.run(world.handler.rewrite, world.handler)
      world.set("kong.silverback.plan", plan({ { 1, endpoints(1) } }))
      ngx.ctx.route = { id = "r", headers = { silverbackset = values } }
      assert.equal(503, (world.run(world.handler.access, world.handler)))
    end
  end)

  it("gives the upstream the plan's path and query", function()
    local world = early_world()
    for _, uri in ipairs({ "/new?y=2", "/new", "/new?a?b", "/" }) do
      proxy(world, plan({ { 1, endpoints(1) }, { 6, uri } }))
      assert.equal(uri, world.var.upstream_uri)
    end
    proxy(world, plan({ { 1, endpoints(1) } }))
    assert.equal("/kong?x=1", world.var.upstream_uri)
  end)

  it("answers 500 for a bad plan and 503 without filter", function()
    local world = early_world()
    assert.equal(500, (proxy(world, "bad")))
    assert.equal(1, world.count("bad_plans"))
    world.attach_fails = true
    assert.equal(503, (proxy(world, nil)))
    world.request()
    assert.equal(503, (world.run(world.handler.access, world.handler)), "a request that the rewrite phase never saw")
  end)

  it("has names, TLS and protocols as in chain mode", function()
    local world = early_world()
    proxy(world, plan({ { 1, endpoints(1) }, { 128, "rule" }, { 129, "backend" } }))
    assert.same({ "rule", "backend" }, { ngx.ctx.route.name, ngx.ctx.service.name })
    assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, { 8, bytes.put_u64(9) } }))))
    assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\4" } }))))
  end)

  it("has no handlers for requests in chain mode", function()
    local world = kongs.world()
    world.start()
    assert.is_nil(world.handler.rewrite)
    assert.is_nil(world.handler.access)
  end)
end)
