local bytes = require "kong.plugins.silverback.table.bytes"
local kongs = require "spec.support.kong"

local endpoints, plan = kongs.endpoints, kongs.plan
local put_u16, put_u32, put_u64 = bytes.put_u16, bytes.put_u32, bytes.put_u64


local function world_with_chain()
  local world = kongs.world()
  world.chain = true
  assert.same({}, world.start())
  return world
end


-- One request through attach, the filter's plan (nil: it sets none) and the first try.
local function proxy(world, value, request)
  world.request(request)
  local status, message = world.run(package.loaded["kong.runloop.wasm"].attach, ngx.ctx)
  if status then
    return status, message
  end

  if value then
    assert.is_true((world.set("kong.silverback.plan", value)), "a setter never refuses")
  end

  return world.run(Kong.balancer)
end


-- The next try after one that ended so.
local function again(world, state, code)
  world.failure = { state, code }
  return world.run(Kong.balancer)
end


describe("chain mode", function()
  it("sends the request to the plan's first endpoint, under the client's host", function()
    local world = world_with_chain()
    assert.is_nil(proxy(world, plan({ { 1, endpoints(1, 2) } })))
    assert.equal("10.0.0.1:8080", world.peer.address)
    assert.equal(0, world.more_tries)
    assert.same({ 60000, 60000, 60000 }, world.peer.timeouts)
    assert.equal("client.test", world.var.upstream_host)
    assert.equal("/kong", world.var.upstream_uri, "without a URI it stays what Kong and its plugins made of it")
  end)

  it("takes the next endpoint at each further try; the list wraps round", function()
    local world = world_with_chain()
    proxy(world, plan({ { 1, endpoints(1, 2) }, { 3, "\4" }, { 5, "b.test" } }))
    assert.equal(3, world.more_tries)
    local seen = {}
    for n = 1, 4 do
      assert.is_nil(again(world, "failed", 502))
      seen[n] = world.peer.address
    end
    assert.same({ "10.0.0.2:8080", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.1:8080" }, seen)
    assert.equal("b.test", world.var.upstream_host, "the Host stays over all tries")
    assert.is_true(ngx.ctx.balancer_data.preserve_host)
    world.log()
  end)

  it("goes on with IPv6", function()
    local world = world_with_chain()
    local six = "\6" .. ("\0"):rep(15) .. "\1" .. put_u16(443)
    proxy(world, plan({ { 1, six .. endpoints(1) }, { 3, "\2" } }))
    assert.equal("[0:0:0:0:0:0:0:1]:443", world.peer.address)
    again(world, "failed", 502)
    assert.equal("10.0.0.1:8080", world.peer.address)
  end)

  it("applies timeouts, host, URI and headers, headers in the contract's order", function()
    local world = world_with_chain()
    local function header(name, value)
      return string.char(#name) .. name .. value
    end
    proxy(world, plan({
      { 1, endpoints(1) },
      { 2, put_u32(100) .. put_u32(200) .. put_u32(300) },
      { 5, "" },
      { 6, "/new?y=2" },
      { 10, header("x-b", "added") },
      { 9, header("x-a", "set") },
      { 7, "x-b" },
      { 10, header("x-a", "more") },
      { 7, "cookie" },
    }), { headers = { ["x-a"] = { "1", "2" }, ["x-b"] = "old", cookie = { "a", "b" }, ["x-c"] = "kept" } })
    assert.same({ 100, 200, 300 }, world.peer.timeouts)
    assert.equal("", world.var.upstream_host)
    assert.equal("/new?y=2", world.var.upstream_uri)
    assert.same({ ["x-a"] = { "set", "more" }, ["x-b"] = { "added" }, ["x-c"] = { "kept" } }, world.headers)
  end)

  it("speaks gRPC where the twin service is, and there only", function()
    local world = world_with_chain()
    assert.is_nil(proxy(world, plan({ { 1, endpoints(1) }, { 4, "\2" }, { 5, "g.test" } }), { mode = "grpc" }))
    assert.equal("g.test", world.authority)
    assert.equal("grpc", world.var.upstream_scheme)
    assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\2" } }))))
    assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) } }), { mode = "grpc" })))
    assert.equal(2, world.count("wrong_protocol"))
    assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\4" } }))))
    assert.equal(1, world.count("no_h2c"))
  end)

  it("shows the rule's names and tags, and leaves Kong's own entities as they are", function()
    local world = world_with_chain()
    local route = { id = "r", name = "all", paths = { "/" } }
    local service = { id = "s", name = "placeholder", host = "224.0.0.1", port = 9 }
    local request = { route = route, service = service }
    local value = plan({ { 1, endpoints(1) }, { 128, "rule" }, { 129, "backend" }, { 130, "a:b,c:d" } })
    proxy(world, value, request)
    local first_route, first_service = ngx.ctx.route, ngx.ctx.service
    assert.same({ id = "r", name = "rule", paths = { "/" }, tags = { "a:b", "c:d" } }, first_route)
    assert.equal("backend", first_service.name)
    assert.equal("224.0.0.1", first_service.host)
    assert.matches("^%x+%-%x%x%x%x%-3%x%x%x%-8%x%x%x%-%x+$", first_service.id)
    assert.equal("all", route.name)
    proxy(world, value, request)
    assert.equal(first_route, ngx.ctx.route, "copies are kept")
    assert.equal(first_service, ngx.ctx.service)
  end)

  it("answers 503 when no filter chain ran, when the filter set no plan, and 500 for a bad one", function()
    local world = world_with_chain()
    local status = proxy(world, nil)
    assert.equal(503, status)
    assert.equal(1, world.count("no_plan"))
    for n, bad in ipairs({ "", "\2", "nonsense", plan({ { 1, endpoints(1) }, { 99, "" } }) }) do
      assert.equal(500, (proxy(world, bad)))
      assert.equal(n, world.count("bad_plans"))
    end

    world.chain = false
    local message
    status, message = proxy(world, nil)
    assert.same({ 503, "routing filter is not loaded" }, { status, message })
    assert.is_nil(world.peer, "nothing was ever connected")
  end)

  it("answers 500 for a second plan", function()
    local world = world_with_chain()
    world.request()
    package.loaded["kong.runloop.wasm"].attach(ngx.ctx)
    world.set("kong.silverback.plan", plan({ { 1, endpoints(1) } }))
    world.set("kong.silverback.plan", plan({ { 1, endpoints(2) } }))
    assert.equal(500, (world.run(Kong.balancer)))
  end)

  it("does not touch services that are none of its own", function()
    local world = world_with_chain()
    world.chain = false
    assert.is_nil(proxy(world, nil, { service = { id = "x", host = "10.9.9.9", name = "other" } }))
    assert.equal("10.9.9.9:9", world.peer.address)
  end)

  it("survives whatever fails in the setter", function()
    local world = world_with_chain()
    world.request()
    package.loaded["kong.runloop.wasm"].attach(ngx.ctx)
    ngx.ctx.balancer_data = nil
    assert.is_true((world.set("kong.silverback.plan", plan({ { 1, endpoints(1) } }))))
    assert.equal(500, ngx.ctx.silverback.refuse)
    assert.is_true((world.set("kong.silverback.plan", nil)))
    ngx.var = nil
    assert.is_true((world.get("kong.silverback.request")))
    assert.is_true((world.get("kong.silverback.result")))
  end)

  it("proxies a rule with plugins only on the rule's own route, whatever the plan's other values", function()
    math.randomseed(5)
    local world = world_with_chain()
    local names = { "all", "rule", "rule2", "RULE", "rule ", "" }
    for n = 1, 2000 do
      local kong_s, rule_s = names[math.random(#names)], names[math.random(#names)]
      local fields = { { 1, endpoints(1) }, { 14, put_u64(math.random(1, 1000)) }, { 128, rule_s } }
      table.insert(fields, math.random(4), { 5, names[math.random(#names)] })
      local route = { id = "r", name = n % 7 > 0 and kong_s or nil }
      local status = proxy(world, plan(fields), { route = route })
      local same = route.name ~= nil and route.name == rule_s and rule_s ~= ""
      assert.equal(not same and 500 or nil, status, kong_s .. "/" .. rule_s)
      assert.equal(same, world.peer ~= nil)
    end
  end)

  describe("deadlines", function()
    local function deadlines(request, try)
      return { 11, put_u32(request) .. put_u32(try) }
    end

    it("make each timeout the smallest of itself, the try's and what is left of the request's", function()
      local world = world_with_chain()
      proxy(world, plan({
        { 1, endpoints(1) }, { 3, "\3" }, { 2, put_u32(100) .. put_u32(5000) .. put_u32(60000) }, deadlines(2000, 700),
      }))
      assert.same({ 100, 700, 700 }, world.peer.timeouts)
      world.now = world.now + 1.5
      assert.is_nil(again(world, "failed", 504))
      for i, limit in ipairs({ 100, 500, 500 }) do
        assert.is_true(math.abs(world.peer.timeouts[i] - limit) < 0.01)
      end
      world.now = world.now + 0.5
      assert.equal(504, (again(world, "failed", 504)))
      assert.equal(1, world.count("deadline_over"))
    end)

    it("may be one of the two", function()
      local world = world_with_chain()
      proxy(world, plan({ { 1, endpoints(1) }, deadlines(0, 300) }))
      assert.same({ 300, 300, 300 }, world.peer.timeouts)
      proxy(world, plan({ { 1, endpoints(1) }, deadlines(400, 0) }))
      assert.same({ 400, 400, 400 }, world.peer.timeouts)
    end)
  end)

  it("tries again on an upstream's code only if the rule lists it", function()
    local world = world_with_chain()
    local value = plan({ { 1, endpoints(1, 2) }, { 3, "\3" }, { 12, put_u32(0) .. put_u16(503) } })
    proxy(world, value)
    assert.equal(1, world.count("retry_approximated"))
    assert.is_nil(again(world, "next", 503))
    assert.equal(502, (again(world, "next", 502)))
    proxy(world, plan({ { 1, endpoints(1, 2) }, { 3, "\3" } }))
    assert.equal(503, (again(world, "next", 503)))
  end)

  it("tells the filter what came of the plan", function()
    local world = world_with_chain()
    proxy(world, plan({ { 1, endpoints(1, 2) }, { 3, "\2" } }))
    again(world, "failed", 504)
    world.var.upstream_header_time, world.var.upstream_status = "-, 0.004", "504, 200"
    local _, value = world.get("kong.silverback.result")
    assert.equal("01c8000200020100", bytes.to_hex(value))
    proxy(world, "bad")
    _, value = world.get("kong.silverback.result")
    assert.is_nil(value)
  end)

  describe("TLS", function()
    local function tls(policy, name)
      return { 8, put_u64(policy) .. name }
    end

    local function configured()
      local world = world_with_chain()
      world.handler:configure({
        { tls_policies = { { id = "000000000000000A", verify = true, ca_certificates = { "c1", "c2" }, verify_depth = 3,
                             client_certificate = "mine" } } },
      })
      return world
    end

    it("has the policy in the name of the keep-alive pool, policy 0 too", function()
      local world = configured()
      local pools = {}
      for _, policy in ipairs({ 0, 10 }) do
        assert.is_nil(proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, { 5, "b.test" }, tls(policy, "b.test") })))
        pools[world.peer.pool] = true
      end
      assert.is_nil(proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, { 5, "b.test" } })))
      pools[world.peer.pool] = true
      assert.same({
        ["10.0.0.1|8080|b.test|silverback:0000000000000000"] = true,
        ["10.0.0.1|8080|b.test|silverback:000000000000000a.1"] = true,
      }, pools)
    end)

    it("verifies with the policy's certificates", function()
      local world = configured()
      proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, tls(10, "b.test") }))
      assert.same({ true }, world.tls.verify)
      assert.same({ "ca c1", "ca c2" }, { unpack(world.tls.store[1]) })
      assert.same({ 3 }, world.tls.depth)
      assert.same({ "cert mine", "key mine" }, world.tls.cert)
      assert.equal("https", world.var.upstream_scheme)
    end)

    it("lets the server name win where it differs from the host, and counts it", function()
      local world = configured()
      proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, { 5, "h.test" }, tls(10, "sni.test") }))
      assert.equal("sni.test", world.var.upstream_host)
      assert.equal(1, world.count("server_name_as_host"))
    end)

    it("connects nowhere with a policy that is not known, or cannot be read yet", function()
      local world = configured()
      assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, tls(11, "b.test") }))))
      assert.equal(1, world.count("tls_unknown"))
      world.no_certificates = true
      world.handler:configure({ { tls_policies = { { id = "000000000000000b", ca_certificates = { "x" } } } } })
      assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, tls(11, "b.test") }))))
      world.no_certificates = false
      world.run_timers()
      assert.is_nil(proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, tls(11, "b.test") })))
    end)

    it("forgets policies that are gone", function()
      local world = configured()
      world.handler:configure(nil)
      assert.equal(502, (proxy(world, plan({ { 1, endpoints(1) }, { 4, "\1" }, tls(10, "b.test") }))))
    end)
  end)

  describe("mirrors", function()
    local function mirrored(world, request, mirrors)
      local fields = { { 1, endpoints(1) }, { 6, "/m?q" }, { 5, "m.test" } }
      for _, mirror in ipairs(mirrors) do
        fields[#fields + 1] = { 13, mirror }
      end
      proxy(world, plan(fields), request)
      world.log()
      world.run_timers()
      return world.mirrored
    end

    it("get the request as the upstream got it, after the client has its answer", function()
      local world = world_with_chain()
      local sent = mirrored(world, { method = "POST", body = "b", headers = { ["x-a"] = "1", connection = "close" } },
                            { "\0" .. endpoints(7), "\1" .. endpoints(8) })
      assert.equal(2, #sent)
      assert.same({ method = "POST", path = "/m?q", body = "b", headers = { ["x-a"] = "1", host = "m.test" } },
                  sent[1].request)
      assert.same({ "http", "10.0.0.7", 8080 }, { sent[1].to.scheme, sent[1].to.host, sent[1].to.port })
      local to = sent[2].to
      assert.same({ "https", "m.test", false }, { to.scheme, to.ssl_server_name, to.ssl_verify })
      assert.equal(2, world.count("mirrors_sent"))
    end)

    it("try the next endpoint if one does not accept", function()
      local world = world_with_chain()
      world.refuses = { ["10.0.0.7"] = true }
      local sent = mirrored(world, {}, { "\0" .. endpoints(7, 8) })
      assert.equal("10.0.0.8", sent[1].to.host)
    end)

    it("are left out, and counted, with a long or streamed body, another protocol, or too many in flight", function()
      local world = world_with_chain()
      assert.equal(0, #mirrored(world, { body = ("x"):rep(65537) }, { "\0" .. endpoints(7) }))
      assert.equal(0, #mirrored(world, {}, { "\2" .. endpoints(7) }))
      require("kong.plugins.silverback.settings").mirrors = 0
      assert.equal(0, #mirrored(world, {}, { "\0" .. endpoints(7) }))
      require("kong.plugins.silverback.settings").mirrors = 64
      world.no_timers = true
      assert.equal(0, #mirrored(world, {}, { "\0" .. endpoints(7) }))
      world.no_timers = false
      assert.equal(4, world.count("mirrors_skipped"))
      assert.equal(0, require("kong.plugins.silverback.mirror").running)
    end)

    it("fail without anybody's harm", function()
      local world = world_with_chain()
      package.loaded["resty.http"].new = function()
        error("no library")
      end
      mirrored(world, {}, { "\0" .. endpoints(7) })
      assert.equal(1, world.count("mirrors_failed"))
      assert.equal(0, require("kong.plugins.silverback.mirror").running)
    end)
  end)
end)
