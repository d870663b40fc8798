local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local counters = require "kong.plugins.silverback.counters"
local fakes = require "spec.support.fakes"
local files = require "kong.plugins.silverback.snapshot.file"
local publish = require "kong.plugins.silverback.table.publish"
local root = require "kong.plugins.silverback.table.root"
local snapshot = require "kong.plugins.silverback.snapshot.snapshot"


local PAGES = 24


local function table_of(segments)
  local raw = root.EMPTY
  for segment, content in pairs(segments) do
    raw = root.change(raw, { { segment, bytes.put_u32(#content) .. blake3.digest(content) } })
  end

  return raw, function(segment)
    return segments[segment]
  end
end


-- A node with a zone, its publisher and its snapshot of `path`.
local function node(path)
  local store = fakes.store()
  local publisher = assert(publish.open(store, PAGES))
  local dict = fakes.dict()
  return {
    store = store,
    publisher = publisher,
    dict = dict,
    saver = snapshot.new({ path = path, store = store, pages = PAGES, dict = dict }),
    publish = function(segments)
      return assert(publisher:publish(table_of(segments)))
    end,
  }
end


describe("the snapshot", function()
  local path

  before_each(function()
    counters.use(nil)
    path = os.tmpname()
    os.remove(path)
  end)

  after_each(function()
    os.remove(path)
  end)

  local OLD = { [1] = "old", [300] = ("o"):rep(40000) }
  local NEW = { [1] = "new", [300] = ("n"):rep(30000), [768] = "more" }

  it("brings a table back into an empty zone, with its epoch", function()
    local first = node(path)
    first.publish(OLD)
    first.publish(NEW)
    assert(first.saver:save())
    local second = node(path)
    assert.equal(2, assert(snapshot.load(path, second.store, second.publisher)))
    assert.same(NEW, snapshot.read(path).segments)
    assert.equal(3, second.publish(OLD).epoch)
  end)

  it("is for its owner only", function()
    local first = node(path)
    first.publish(OLD)
    assert(first.saver:save())
    local pipe = assert(io.popen("stat -c %a " .. path))
    assert.equal("600\n", pipe:read("*a"))
    pipe:close()
  end)

  it("leaves a zone alone that has a table, or gets one meanwhile", function()
    local first = node(path)
    first.publish(OLD)
    assert(first.saver:save())
    local second = node(path)
    second.publish(NEW)
    assert.is_nil((snapshot.load(path, second.store, second.publisher)))

    local third = node(path)
    local other = assert(publish.open(third.store, PAGES))
    local start = third.store.sets
    third.store.before = function(number)
      if number == start + 1 then
        third.store.before = nil
        assert(other:publish(table_of(NEW)))
      end
    end
    assert.is_nil((snapshot.load(path, third.store, third.publisher)))
    local saver = snapshot.new({ path = path, store = third.store, pages = PAGES, dict = fakes.dict() })
    assert(saver:save())
    assert.same(NEW, snapshot.read(path).segments)
  end)

  it("writes at most once a second, and not without need", function()
    local first = node(path)
    first.publish(OLD)
    assert(first.saver:save())
    first.publish(NEW)
    assert.same({ nil, "later" }, { first.saver:save() })
    assert.same(OLD, snapshot.read(path).segments)
    first.dict.now = 1
    assert(first.saver:save())
    assert.same(NEW, snapshot.read(path).segments)
    assert(first.saver:save(), "nothing to do needs no window")
  end)

  it("has room for two tables that fill the zone and have nothing in common", function()
    local first = node(path)
    local before = { [1] = ("a"):rep(16224 * (PAGES - 4)) }
    first.publish(before)
    assert(first.saver:save())
    local after = {}
    for n = 1, PAGES - 4 do
      -- The zone takes them one after another.
      before = { [1] = n < PAGES - 4 and ("b"):rep(10) or nil }
      after[n + 1] = ("c"):rep(16224)
      before[n + 1] = after[n + 1]
      for other, content in pairs(after) do
        before[other] = content
      end
      first.publish(before)
    end
    first.dict.now = 2
    assert(first.saver:save())
    assert.same(after, snapshot.read(path).segments)
    local second = node(path)
    assert.is_number((snapshot.load(path, second.store, second.publisher)))
  end)

  it("that another worker has written is not written again, nor looked at each time", function()
    local first = node(path)
    first.publish(OLD)
    assert(first.saver:save())
    local other = snapshot.new({ path = path, store = first.store, pages = PAGES, dict = fakes.dict() })
    assert(other:save())
    assert.is_nil(other.publisher)
    os.remove(path)
    other.dict.now = 10
    assert(other:save())
    assert.is_nil(io.open(path))
  end)

  it("is left to the worker that has the file's lock", function()
    local first = node(path)
    first.publish(OLD)
    local file = assert(files.open(path, true))
    assert.same({ nil, "later" }, { first.saver:save() })
    file:close()
    first.dict.now = 2
    assert(first.saver:save())
  end)

  it("has the old table or the new one, wherever the worker was killed", function()
    local writes, died = files.open(path, true), 0
    writes:close()
    for n = 1, 100 do
      os.remove(path)
      local first = node(path)
      first.publish(OLD)
      assert(first.saver:save())
      for _ = 1, 4 do
        -- The file lags behind the zone, so that pages change places.
        first.publish(NEW)
        first.publish(OLD)
      end
      first.publish(NEW)
      first.dict.now = 2

      local count = 0
      local open = files.open
      files.open = function(...)
        local file, reason = open(...)
        if file then
          file.write = function(self, at, value)
            count = count + 1
            if count == n then
              -- Half of a long value may be there; 64 bytes are written as one.
              if #value > 4096 then
                getmetatable(self).__index.write(self, at, value:sub(1, 5000))
              end
              error("killed")
            end
            return getmetatable(self).__index.write(self, at, value)
          end
        end
        return file, reason
      end
      local ok = first.saver:save()
      files.open = open

      local second = node(path)
      assert.is_number((snapshot.load(path, second.store, second.publisher)), "killed at write " .. n)
      assert.same(ok and NEW or OLD, snapshot.read(path).segments, "killed at write " .. n)
      -- The next worker writes on.
      local saver = snapshot.new({ path = path, store = first.store, pages = PAGES, dict = fakes.dict() })
      assert(saver:save())
      assert.same(NEW, snapshot.read(path).segments)
      if ok then
        break
      end
      died = died + 1
    end

    assert.is_true(died >= 6, died .. " deaths")
  end)

  it("that is damaged, cut, foreign or absent is not loaded, and is written anew", function()
    local function spoil(at, text)
      local file = assert(io.open(path, "r+b"))
      file:seek("set", at)
      file:write(text)
      file:close()
    end

    for _, at in ipairs({ 0, 10, 4096 + 30, 4096 + 24576 + 30, 65536 + 40 }) do
      os.remove(path)
      local first = node(path)
      first.publish(OLD)
      assert(first.saver:save())
      spoil(at, "damage")
      local second = node(path)
      local epoch = snapshot.load(path, second.store, second.publisher)
      if epoch then
        assert.same(OLD, snapshot.read(path).segments)
      end
      second = node(path)
      second.publish(NEW)
      assert(second.saver:save(), "at " .. at)
      assert.same(NEW, snapshot.read(path).segments)
    end

    local second = node(path)
    os.remove(path)
    assert.is_nil((snapshot.load(path, second.store, second.publisher)))
    local file = assert(io.open(path, "wb"))
    file:write(("something else\n"):rep(10000))
    file:close()
    assert.is_nil((snapshot.load(path, second.store, second.publisher)))
    second.publish(NEW)
    assert(second.saver:save())
    assert.same(NEW, snapshot.read(path).segments)
  end)

  it("that cannot be written is a reason, not an error", function()
    local first = node("/nonexistent/file")
    first.publish(OLD)
    local ok, reason = first.saver:save()
    assert.is_nil(ok)
    assert.matches("open", reason)
  end)
end)
