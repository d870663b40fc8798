local kongs = require "spec.support.kong"


describe("the start of a worker", function()
  it("has nothing to complain about in Kong as it is", function()
    local world = kongs.world()
    assert.same({}, world.start())
    assert.is_not_nil(world.store.values["silverback/zone"])
    assert.is_function(world.every)
  end)

  it("names whatever is missing inside Kong, and hooks into nothing", function()
    local cases = {
      ["no zone is configured"] = function(world)
        world.config.nginx_wasm_shm_kv_silverback = nil
      end,
      ["the zone evicts %(slru%)"] = function(world)
        world.config.nginx_wasm_shm_kv_silverback = "64m"
      end,
      ["the zone is too small"] = function(world)
        world.config.nginx_wasm_shm_kv_silverback = "64k eviction=none"
      end,
      ["size `lots` is none"] = function(world)
        world.config.nginx_wasm_shm_kv_silverback = "lots"
      end,
      ["there is no zone `silverback`"] = function()
        package.loaded["resty.wasmx.shm"].silverback = nil
      end,
      ["resty.kong.grpc.set_authority is not there"] = function()
        package.loaded["resty.kong.grpc"].set_authority = nil
      end,
      ["module ngx.balancer cannot be loaded"] = function()
        package.loaded["ngx.balancer"] = nil
      end,
      ["kong.runloop.wasm.attach is not there"] = function()
        package.loaded["kong.runloop.wasm"].attach = nil
      end,
      ["kong.runloop.wasm.properties.add_setter is not there"] = function()
        package.loaded["kong.runloop.wasm.properties"].add_setter = nil
      end,
      ["kong.service.set_tls_verify_store is not there"] = function()
        kong.service.set_tls_verify_store = nil
      end,
      ["Kong.balancer is not there"] = function()
        Kong.balancer = nil
      end,
      ["filters are off"] = function()
        package.loaded["kong.runloop.wasm"].enabled = function()
          return false
        end
      end,
      ["there is no filter `silverback`"] = function()
        package.loaded["kong.runloop.wasm"].filters_by_name = {}
      end,
      ["there is no shared dictionary `silverback`"] = function(world)
        ngx.shared.silverback = nil
        world.dict = nil
      end,
    }
    for pattern, spoil in pairs(cases) do
      local world = kongs.world()
      spoil(world)
      local balancer = Kong.balancer
      local problems = world.start()
      assert.matches(pattern, table.concat(problems, "\n"))
      assert.equal(balancer, Kong.balancer)
      assert.equal("crit", world.logs[1][1])
      local http = require "kong.plugins.silverback.node.http"
      local answer = http.status()
      assert.equal(503, answer.status)
      assert.matches(pattern, answer.body.message)
      answer = http.ready()
      assert.equal(503, answer.status)
      assert.matches(pattern, answer.body.reason)
    end
  end)

  it("says when the pool does not fit the zone", function()
    local world = kongs.world()
    world.store.room = 7
    assert.matches("zone cannot be used", world.start()[1])
  end)

  it("does nothing where there are no requests", function()
    local world = kongs.world()
    ngx.config.subsystem = "stream"
    world.start()
    assert.same({}, world.store.values)
  end)

  it("does not keep the zone locked when a read fails", function()
    local world = kongs.world()
    assert.same({}, world.start())
    world.store.get = function()
      error("out of memory")
    end
    world.every()
    assert.is_falsy(world.locked)
    assert.is_nil(world.dict:get("worker:0"))
  end)

  it("serves the table of the snapshot before anybody has published", function()
    local data = require "spec.support.data"
    local path = os.tmpname()
    local steps = data.json("node/script.json")
    local first = kongs.world()
    require("kong.plugins.silverback.settings").snapshot = path
    assert.same({}, first.start())
    assert.equal(200, (first.shim.node:commit(data.runs(steps[2].body))))
    first.run_timers()

    local second = kongs.world()
    require("kong.plugins.silverback.settings").snapshot = path
    assert.same({}, second.start())
    local status, answer = second.shim.node:ready()
    assert.same({ 200, 1 }, { status, answer.epoch })
    os.remove(path)
  end)

  it("saves at most once a second and says once what is in the way", function()
    local data = require "spec.support.data"
    local steps = data.json("node/script.json")
    local world = kongs.world()
    require("kong.plugins.silverback.settings").snapshot = "/nonexistent/file"
    assert.same({}, world.start())
    assert.equal(200, (world.shim.node:commit(data.runs(steps[2].body))))
    for n = 1, 5 do
      world.dict.now = n * 2
      world.every()
    end
    local complaints = 0
    for _, entry in ipairs(world.logs) do
      if entry[2]:find("cannot be saved", 1, true) then
        complaints = complaints + 1
      end
    end
    assert.equal(1, complaints)
  end)
end)


describe("the Admin API", function()
  local data = require "spec.support.data"

  local function ready_world()
    local world = kongs.world()
    world.start()
    world.request()
    return world, require("kong.plugins.silverback.api"), data.json("node/script.json")
  end

  it("takes commits and segments as raw bodies, in memory or in a file", function()
    local world, api, steps = ready_world()
    world.body = data.runs(steps[2].body)
    assert.equal(200, api["/silverback/v1/commit"].POST({}).status)

    local path = os.tmpname()
    local file = io.open(path, "wb")
    file:write(data.runs(steps[4].body))
    file:close()
    world.body, world.body_file = nil, path
    local answer = api["/silverback/v1/commit"].POST({})
    assert.same({ 200, 2 }, { answer.status, answer.body.epoch })
    os.remove(path)

    world.body, world.body_file, world.args = "put", nil, {}
    local digest = require("kong.plugins.silverback.table.bytes").to_hex(
      require("kong.plugins.silverback.table.blake3").digest("put"))
    assert.equal(201, api["/silverback/v1/segments/:digest"].PUT({ params = { digest = digest } }).status)
    assert.equal(200, api["/silverback/v1/status"].GET({}).status)
    assert.equal(200, api["/silverback/v1/ready"].GET({}).status)
    assert.equal(2, world.dict:get("worker:0"), "the worker that commits has read the table")
  end)

  it("refuses a body that is too long before it reads it", function()
    local world, api = ready_world()
    world.var.http_content_length = "999999999"
    ngx.req.read_body = function()
      error("read")
    end
    assert.equal(413, api["/silverback/v1/commit"].POST({}).status)
  end)

  it("gives each listener routes of its own, for Kong changes them", function()
    local _, api = ready_world()
    local status_api = require "kong.plugins.silverback.status_api"
    assert.is_not.equal(api["/silverback/v1/ready"], status_api["/silverback/v1/ready"])
    assert.is_nil(status_api["/silverback/v1/commit"], "the status listener has no password")
  end)
end)
