local blake3 = require "kong.plugins.silverback.table.blake3"
local bytes = require "kong.plugins.silverback.table.bytes"
local data = require "spec.support.data"
local epoch = require "kong.plugins.silverback.table.epoch"
local fakes = require "spec.support.fakes"
local fast = require "kong.plugins.silverback.table.fast"
local keys = require "kong.plugins.silverback.table.keys"
local publish = require "kong.plugins.silverback.table.publish"
local read = require "kong.plugins.silverback.table.read"
local root = require "kong.plugins.silverback.table.root"


-- A logical root with these segments, and a function that gives their bytes.
local function table_of(segments)
  local order, changes = {}, {}
  for segment in pairs(segments) do
    order[#order + 1] = segment
  end

  table.sort(order)
  for _, segment in ipairs(order) do
    local content = segments[segment]
    changes[#changes + 1] = { segment, bytes.put_u32(#content) .. blake3.digest(content) }
  end

  return root.change(root.EMPTY, changes), function(segment)
    return segments[segment]
  end
end


-- The segments that a reader finds; nil if it finds no whole table.
local function read_table(store)
  local current = read.current(store)
  if not current or current.record.epoch == 0 then
    return {}, 0
  end

  if not current.root then
    return nil
  end

  local segments = {}
  for segment = 0, keys.SEGMENTS - 1 do
    local content = read.segment(store, current.root, segment)
    if not content then
      return nil
    end

    if content ~= "" then
      segments[segment] = content
    end
  end

  return segments, current.record.epoch
end


describe("hashes", function()
  it("are those of Rust, at every length where something changes", function()
    for _, case in ipairs(data.json("node/hashes.json")) do
      local noise = data.noise(case.len, case.len)
      assert.equal(case.digest, bytes.to_hex(blake3.digest(noise)), "digest of " .. case.len)
      assert.equal(case.fast, bytes.id_to_hex(fast.of(case.len, noise)), "fast of " .. case.len)
    end
  end)

  it("may pause in between without another result", function()
    local noise = data.noise(1, 200000)
    local pauses = 0
    local digest = blake3.digest(noise, function()
      pauses = pauses + 1
      -- Somebody else hashes in the meantime.
      blake3.digest(data.noise(2, 5000))
    end)
    assert.equal(3, pauses)
    assert.equal(bytes.to_hex(blake3.digest(noise)), bytes.to_hex(digest))
  end)
end)


describe("sizes", function()
  it("and numbers of the format are those of Rust", function()
    for _, case in ipairs(data.json("node/numbers.json")) do
      assert.equal(case.number, keys[case.name], case.name)
    end
  end)

  it("of pools and zones are those of Rust", function()
    for _, case in ipairs(data.json("node/zones.json")) do
      assert.equal(case.pages, keys.pages_in_zone(case.bytes))
      assert.equal(case.zone, keys.zone_bytes(case.pages))
    end
  end)
end)


describe("an epoch record", function()
  local record = {
    epoch = 2 ^ 40 + 5, slot = 1, page_len = keys.PAGE_LEN, pages = 77, root = ("r"):rep(16), writers = 3, claim = 2,
  }

  it("is read as it was written", function()
    local value = epoch.encode(record)
    assert.equal(keys.EPOCH_LEN, #value)
    assert.same(record, epoch.decode(value))
  end)

  it("is refused with any byte changed or missing", function()
    local value = epoch.encode(record)
    for at = 1, #value do
      local flipped = string.char(bit.bxor(value:byte(at), 1))
      assert.is_nil(epoch.decode(value:sub(1, at - 1) .. flipped .. value:sub(at + 1)))
      assert.is_nil(epoch.decode(value:sub(1, at - 1)))
    end
  end)
end)


describe("a publisher", function()
  it("never changes a length, and makes no key after the start", function()
    local store = fakes.store()
    local publisher = assert(publish.open(store, 20))
    local made = #store.log
    assert.equal(20 + 5, made)
    local known = {}
    for _, key in ipairs(store.log) do
      known[key] = true
    end

    for n = 1, 20 do
      local raw, content = table_of({ [1] = ("x"):rep(n), [2] = ("y"):rep(40000 - n * 1500) })
      assert(publisher:publish(raw, content))
    end

    for _, key in ipairs(store.log) do
      assert.is_true(known[key])
    end
  end)

  it("does not touch the pages of the current and the previous root", function()
    local store = fakes.store()
    local publisher = assert(publish.open(store, 9))
    local before = {}
    for n = 1, 30 do
      store.log = {}
      local raw, content = table_of({ [5] = string.char(n):rep(keys.PAGE_USED * 2 + 1) })
      assert(publisher:publish(raw, content))
      local pages = {}
      for _, key in ipairs(store.log) do
        if key:find("silverback/p", 1, true) then
          pages[key] = true
          assert.is_nil((before[n - 1] or {})[key])
          assert.is_nil((before[n - 2] or {})[key])
        end
      end
      before[n] = pages
    end
  end)

  it("says how many pages fit into a zone without room", function()
    local store = fakes.store()
    store.room = 7
    local publisher, err = publish.open(store, 20)
    assert.is_nil(publisher)
    assert.same({ kind = "zone_full", needed = 20, free = 7, pages = 7 }, err)
  end)

  it("leaves values of another release alone", function()
    for _, key in ipairs({ keys.page_key(3), keys.root_key(1) }) do
      local store = fakes.store()
      store:set(key, "something else", 0)
      local publisher, err = publish.open(store, 8)
      assert.is_nil(publisher)
      assert.equal("foreign", err.kind)
      assert.equal("something else", (store:get(key)))
    end
  end)

  it("that died at any write leaves the old table or the new one, and the next goes on", function()
    local old = { [1] = "old", [300] = ("o"):rep(20000) }
    local new = { [1] = "new", [300] = ("n"):rep(40000), [768] = "more" }
    local died = 0
    for n = 1, 100 do
      local store = fakes.store()
      local publisher = assert(publish.open(store, 20))
      assert(publisher:publish(table_of(old)))
      local start = store.sets
      store.before = function(number)
        if number == start + n then
          error("killed")
        end
      end
      local ok = pcall(publisher.publish, publisher, table_of(new))
      store.before = nil
      local found, epoch_found = read_table(store)
      assert.same(epoch_found == 2 and new or old, found, "killed at write " .. n)
      if ok then
        assert.equal(2, epoch_found)
        break
      end

      died = died + 1
      local next_one = assert(publish.open(store, 20))
      local result = assert(next_one:publish(table_of(new)))
      assert.equal(2, result.epoch)
      assert.same(new, (read_table(store)))
    end

    assert.is_true(died >= 7, died .. " deaths: claim, five pages, root, epoch")
  end)

  it("loses to another that comes in between at any write, and spoils nothing", function()
    local raced = 0
    for n = 1, 20 do
      local store = fakes.store()
      local first = assert(publish.open(store, 40))
      local second = assert(publish.open(store, 40))
      assert(first:publish(table_of({ [1] = "before" })))
      local start, done = store.sets, false
      store.before = function(number)
        if number == start + n then
          store.before = nil
          done = true
          assert(second:publish(table_of({ [1] = "theirs", [9] = ("t"):rep(30000) })))
        end
      end
      local mine = { [1] = "mine", [8] = ("m"):rep(30000) }
      local result, err = first:publish(table_of(mine))
      store.before = nil
      local found = read_table(store)
      if result then
        assert.same(mine, found)
        if not done then
          break
        end
      else
        raced = raced + 1
        assert.equal("raced", err.kind)
        assert.same({ [1] = "theirs", [9] = ("t"):rep(30000) }, found)
      end
    end

    assert.is_true(raced >= 4)
  end)

  it("of one worker does not overwrite what another worker has published", function()
    local store = fakes.store()
    local workers = { assert(publish.open(store, 12)), assert(publish.open(store, 12)) }
    for n = 1, 40 do
      local segments = { [1] = "n" .. n, [2] = ("z"):rep(20000 + n) }
      assert(workers[n % 2 + 1]:publish(table_of(segments)))
      assert.same(segments, (read_table(store)))
    end
  end)
end)
