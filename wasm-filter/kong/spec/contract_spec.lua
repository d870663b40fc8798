local bytes = require "kong.plugins.silverback.table.bytes"
local data = require "spec.support.data"
local plans = require "kong.plugins.silverback.plan"
local request = require "kong.plugins.silverback.request"
local result = require "kong.plugins.silverback.result"


-- A u64 as the number that a JSON reader makes of it.
local function number(id)
  return bytes.u32(id, 1) + bytes.u32(id, 5) * 0x100000000
end


-- "[2001:db8::1]" -> "[2001:db8:0:0:0:0:0:1]"
local function expand(address)
  local head, tail = address:match("^%[(.*)::(.*)%]$")
  if not head then
    return address
  end

  local groups = {}
  for group in head:gmatch("[^:]+") do
    groups[#groups + 1] = group
  end

  local behind = {}
  for group in tail:gmatch("[^:]+") do
    behind[#behind + 1] = group
  end

  for _ = 1, 8 - #groups - #behind do
    groups[#groups + 1] = "0"
  end

  for _, group in ipairs(behind) do
    groups[#groups + 1] = group
  end

  return "[" .. table.concat(groups, ":") .. "]"
end


local function addresses(value, count)
  local list = {}
  for n = 1, count do
    local ip, port = plans.endpoint(value, 1, n)
    list[n] = ip .. ":" .. port
  end

  return list
end


local function wanted_addresses(list)
  local wanted = {}
  for i, address in ipairs(list) do
    local host, port = address:match("^(.*):(%d+)$")
    wanted[i] = expand(host) .. ":" .. port
  end

  return wanted
end


local function pairs_of(list)
  local wanted = {}
  for i, pair in ipairs(list or {}) do
    wanted[i] = { data.bytes(pair[1]), data.bytes(pair[2]) }
  end

  return wanted
end


local function codes(list)
  local set = {}
  for _, code in ipairs(list) do
    set[code] = true
  end

  return set
end


local function assert_plan(fields, plan, name)
  local timeouts = fields.timeouts or { 60000, 60000, 60000 }
  assert.same({ fields.epoch, fields.rule }, { number(plan.epoch), number(plan.rule) }, name)
  assert.same(wanted_addresses(fields.endpoints), addresses(plan.endpoints, plan.count), name)
  assert.same(timeouts, { plan.connect, plan.send, plan.read }, name)
  assert.same(fields.deadlines, plan.deadline and { plan.deadline, plan.try_deadline }, name)
  assert.equal(fields.tries or 1, plan.tries, name)
  assert.equal(fields.protocol or "http", plan.protocol, name)
  assert.equal(fields.host and data.bytes(fields.host), plan.host, name)
  assert.equal(fields.uri and data.bytes(fields.uri), plan.uri, name)
  assert.same(fields.remove_headers or {}, { unpack(plan.remove_headers) }, name)
  assert.same(pairs_of(fields.set_headers), { unpack(plan.set_headers) }, name)
  assert.same(pairs_of(fields.add_headers), { unpack(plan.add_headers) }, name)
  assert.equal(fields.route_name, plan.route_name, name)
  assert.equal(fields.service_name, plan.service_name, name)
  assert.equal(fields.tags, plan.tags, name)
  assert.equal(fields.plugin_set, plan.plugin_set and number(plan.plugin_set), name)
  if fields.tls then
    assert.same({ fields.tls.policy, fields.tls.server_name }, { number(plan.tls_policy), plan.server_name }, name)
  end

  if fields.retry then
    assert.same({ codes(fields.retry.codes), fields.retry.backoff }, { plan.retry_codes, plan.backoff }, name)
  end

  local mirrors = {}
  for i, mirror in ipairs(plan.mirrors) do
    mirrors[i] = { protocol = mirror.protocol, endpoints = addresses(mirror.endpoints, mirror.count) }
  end

  for i, mirror in ipairs(fields.mirrors or {}) do
    assert.same({ protocol = mirror.protocol, endpoints = wanted_addresses(mirror.endpoints) }, mirrors[i], name)
  end
  assert.equal(#(fields.mirrors or {}), #mirrors, name)
end


describe("the contract", function()
  it("reads and refuses plans as Rust does", function()
    local cases = data.json("contract/plan.json")
    assert.is_true(#cases > 100)
    for _, case in ipairs(cases) do
      local plan, err = plans.decode(data.hex(case.hex))
      assert.equal(case.error, err, case.name)
      if case.fields then
        assert_plan(case.fields, plan, case.name)
      end
    end
  end)

  it("refuses every plan that is cut short, or reads it whole up to a field's end", function()
    for _, case in ipairs(data.json("contract/plan.json")) do
      local whole = data.hex(case.hex)
      for last = 0, #whole - 1 do
        local plan, err = plans.decode(whole:sub(1, last))
        assert.is_true((plan == nil) ~= (err == nil), case.name)
      end
    end
  end)

  it("survives plans of random damage", function()
    math.randomseed(11)
    local cases = data.json("contract/plan.json")
    local good = 0
    for n = 1, 60000 do
      local value = data.hex(cases[n % #cases + 1].hex)
      for _ = 1, math.random(3) do
        local at = math.random(#value + 1)
        local choice = math.random(3)
        local random = string.char(math.random(0, 255))
        if choice == 1 then
          value = value:sub(1, at - 1) .. random .. value:sub(at + 1)
        elseif choice == 2 then
          value = value:sub(1, at - 1) .. random .. value:sub(at)
        else
          value = value:sub(1, at - 1) .. value:sub(at + math.random(4))
        end
      end

      local plan, err = plans.decode(value)
      if plan then
        good = good + 1
        assert.is_true(plan.count >= 1 and plan.count <= 16 and plan.tries >= 1)
        for i = 1, plan.count do
          local ip, port = plans.endpoint(plan.endpoints, 1, i)
          assert.is_true(#ip >= 7 and port >= 1 and port <= 65535)
        end
        for _, text in ipairs({ plan.host or "", plan.uri or "", plan.route_name or "", plan.server_name or "" }) do
          assert.is_nil(text:find("[%z\r\n]"))
        end
        for _, header in ipairs(plan.set_headers) do
          assert.is_nil(header[1]:find("[^%w%p]"))
          assert.is_nil(header[2]:find("[%z\r\n]"))
        end
      else
        assert.is_string(err)
      end
    end

    assert.is_true(good > 1000, good .. " of 60,000 were still plans")
  end)

  it("writes requests as Rust does", function()
    local seen = 0
    for _, case in ipairs(data.json("contract/request.json")) do
      local f = case.fields
      if f and case.encode == nil then
        seen = seen + 1
        local function text(name)
          return f[name] and data.bytes(f[name]) or ""
        end
        local message = request.encode(f.tls, f.port, text("host"), text("path"), text("method"), text("sni"),
                                       text("source"))
        assert.equal(case.hex:gsub(" ", ""), bytes.to_hex(message), case.name)
      end
    end

    assert.is_true(seen > 4)
    assert.is_nil(request.encode(false, 1, ("h"):rep(65536), "", "", "", ""))
  end)

  it("takes the request as the client sent it", function()
    local message = request.of({
      https = "on", server_port = "8443", http_host = "a.test:8443", request_uri = "/a%2Fb?c", request_method = "GET",
      ssl_server_name = "a.test", remote_addr = "192.0.2.1",
    })
    assert.equal(request.encode(true, 8443, "a.test:8443", "/a%2Fb?c", "GET", "a.test", "192.0.2.1"), message)
    assert.equal(request.encode(false, 0, "", "", "", "", ""), request.of({ remote_addr = "unix:" }))
  end)

  it("writes results as Rust does", function()
    local outcomes = { answered = 0, failed = 1, ["timed out"] = 2 }
    for _, case in ipairs(data.json("contract/result.json")) do
      if case.fields and case.encode == nil then
        local tries = {}
        for i, try in ipairs(case.fields.tries) do
          tries[i] = { try[1], outcomes[try[2]] }
        end
        assert.equal(case.hex, bytes.to_hex(result.encode(case.fields.status, tries)), case.name)
      end
    end
  end)

  it("tells how each try ended, whoever ended it", function()
    local function tries(list, count, header_time, status)
      return result.tries({ tries = list, try_count = #list }, count,
                          { upstream_header_time = header_time, upstream_status = status })
    end

    assert.same({ { 0, 0 } }, tries({ {} }, 1, "0.003", "200"))
    assert.same({ { 0, 0 } }, tries({ {} }, 1, "0.003", "502"), "an upstream's own 502 is an answer")
    assert.same({ { 0, 1 } }, tries({ {} }, 1, "-", "502"))
    assert.same({ { 0, 2 } }, tries({ {} }, 1, "-", "504"))
    local failed, late, other = { state = "failed", code = 502 }, { state = "failed", code = 504 },
                                { state = "next", code = 503 }
    assert.same({ { 0, 1 }, { 1, 2 }, { 0, 1 }, { 1, 0 } },
                tries({ failed, late, other, {} }, 2, "-, -, 0.1, 0.2", "502, 504, 503, 200"))
    assert.same({}, tries({}, 1, nil, nil))
  end)
end)
