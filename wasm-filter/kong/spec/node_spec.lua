local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local commits = require "kong.plugins.silverback.node.commit"
local counters = require "kong.plugins.silverback.counters"
local data = require "spec.support.data"
local fakes = require "spec.support.fakes"
local keys = require "kong.plugins.silverback.table.keys"
local nodes = require "kong.plugins.silverback.node.node"
local workers = require "kong.plugins.silverback.workers"


local function query_of(text)
  local query = {}
  for name, value in text:gmatch("([^&=]+)=([^&]*)") do
    query[name] = value
  end

  return query
end


local function new_node(pages)
  local dict = fakes.dict()
  counters.use(dict)
  return nodes.new({ store = fakes.store(), dict = dict, pages = pages, workers = 0 })
end


local function ask(node, step)
  if step.method == "POST" then
    return node:commit(data.runs(step.body))
  end

  if step.method == "PUT" then
    return node:put(step.path:match("segments/(.*)"), query_of(step.query), data.runs(step.body))
  end

  return node:status()
end


-- Values by key that changed since the last call.
local function changes(store, seen)
  local changed = {}
  for key, value in pairs(store.values) do
    local digest = bytes.to_hex(blake3.digest(value))
    if seen[key] ~= digest then
      seen[key] = digest
      changed[key] = digest
    end
  end

  return changed
end


describe("the node", function()
  it("answers as Rust's and leaves the same bytes in the zone, at every step of the script", function()
    local steps = data.json("node/script.json")
    local node = new_node(steps[1].pages)
    local seen = {}
    for at, step in ipairs(steps) do
      local status, answer
      if at == 1 then
        assert(node:publisher())
      else
        status, answer = ask(node, step)
        answer.message, answer.hint = nil, nil
        -- Rust's node forgets all that was put at each commit; here it lives until it dies.
        assert.equal(step.status, status, step.name)
        assert.same(step.answer, answer, step.name)
      end

      assert.same(step.zone, changes(node.store, seen), step.name)
    end
  end)

  it("starts over when another worker was faster, and gives up after a while", function()
    local steps = data.json("node/script.json")
    local node = new_node(steps[1].pages)
    assert(node:publisher())
    local races = 0
    node.store.before = function(_, key)
      if key:find("silverback/root", 1, true) and races < 3 then
        races = races + 1
        node.store.cas[keys.EPOCH_KEY] = node.store.cas[keys.EPOCH_KEY] + 1
      end
    end
    assert.equal(200, (ask(node, steps[2])))
    assert.equal(3, races)

    races = -100
    local status, answer = ask(node, steps[4])
    assert.equal(500, status)
    assert.equal("internal", answer.code)
  end)

  it("refuses a commit cut short anywhere", function()
    local node = new_node(4)
    local body = data.runs(data.json("node/script.json")[4].body)
    for last = 0, #body - 1 do
      local status, answer = node:commit(body:sub(1, last))
      assert.equal(400, status)
      assert.equal("malformed", answer.code)
    end
  end)

  it("survives commits of random damage", function()
    math.randomseed(7)
    local steps = data.json("node/script.json")
    local good = { data.runs(steps[2].body), data.runs(steps[4].body) }
    local node = new_node(12)
    for _ = 1, 3000 do
      local body = good[math.random(2)]
      for _ = 1, math.random(4) do
        local at = math.random(math.min(#body, 400))
        body = body:sub(1, at - 1) .. string.char(math.random(0, 255)) .. body:sub(at + 1)
      end

      local status, answer = node:commit(body)
      assert.is_number(status)
      assert.is_table(answer)
    end
  end)

  it("takes a segment in pieces, in any order, and drops what nobody uses", function()
    local node = new_node(4)
    local long = ("abc"):rep(100000)
    local digest = bytes.to_hex(blake3.digest(long))
    local length = tostring(#long)
    local last = long:sub(commits.MAX_BODY + 1)
    local status, answer = node:put(digest, { length = length, offset = "262144" }, last)
    assert.equal(201, status)
    assert.same({ #last, false }, { answer.received, answer.complete })
    status, answer = node:put(digest, { length = length }, long:sub(1, commits.MAX_BODY))
    assert.same({ 201, #long, true }, { status, answer.received, answer.complete })
    assert.equal(200, (node:put(digest, { length = length }, long:sub(1, commits.MAX_BODY))))
    node.dict.now = 1000
    status, answer = node:put(digest, { length = length, offset = "262144" }, last)
    assert.same({ 201, #last }, { status, answer.received })
  end)

  it("says so when there is no room for what is put", function()
    local node = new_node(4)
    node.dict.capacity = 100
    local status, answer = node:put(bytes.to_hex(blake3.digest(("x"):rep(200))), {}, ("x"):rep(200))
    assert.equal(507, status)
    assert.equal("staging_full", answer.code)
  end)

  it("refuses pieces that do not fit", function()
    local node = new_node(4)
    local digest = ("0"):rep(32)
    for _, query in ipairs({
      { length = "x" }, { length = "" }, { length = "0" }, { length = "99999999999" }, { length = "3", offset = "1" },
      { length = "3", offset = "262144" }, { length = "4" }, { length = "262145" }, { length = { "3", "3" } },
    }) do
      local status, answer = node:put(digest, query, "one")
      assert.equal(400, status)
      assert.equal("malformed", answer.code)
    end
    assert.equal(400, (node:put("abc", {}, "x")))
    assert.equal(413, (node:put(digest, {}, ("x"):rep(commits.MAX_BODY + 1))))
  end)

  it("is ready when there is a table and every worker has read it", function()
    local node = new_node(12)
    node.workers = 2
    assert.equal(503, (node:ready()))
    ask(node, data.json("node/script.json")[2])
    local status, answer = node:ready()
    assert.equal(503, status)
    assert.equal("worker 0 has not read the table yet", answer.reason)
    workers.note(node.dict, 0, 1)
    workers.note(node.dict, 1, 1)
    status, answer = node:ready()
    assert.same({ 200, true, 1 }, { status, answer.ready, answer.epoch })
    node.dict.now = 60
    assert.equal(503, (node:ready()), "workers that died are not ready")
  end)

  it("says when there is no zone or one of another release", function()
    local node = new_node(4)
    node.store.get = function()
      return nil, nil, "no zone"
    end
    for _, method in ipairs({ "status", "ready" }) do
      assert.equal(503, (node[method](node)))
    end
    assert.equal(503, (ask(node, data.json("node/script.json")[2])))
  end)
end)
