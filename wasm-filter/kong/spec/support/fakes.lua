-- Stand-ins: a store in memory, and nginx's shared dictionary.

local M = {}


-- A store (table/read.lua) that holds to what the zone asks for: no value changes its length. `before`,
-- if set, is called before every set, with its number; it may raise an error, as if the worker died.
function M.store()
  local store = { values = {}, cas = {}, sets = 0, log = {} }

  function store.get(self, key)
    if self.values[key] then
      return self.values[key], self.cas[key]
    end

    return nil
  end

  function store.set(self, key, value, cas)
    self.sets = self.sets + 1
    if self.before then
      self.before(self.sets, key)
    end

    if (self.cas[key] or 0) ~= cas then
      return nil, "cas"
    end

    if not self.values[key] and self.room then
      if self.room == 0 then
        return nil, "no memory"
      end

      self.room = self.room - 1
    end

    assert(not self.values[key] or #self.values[key] == #value, "a live value changed its length: " .. key)
    self.values[key] = value
    self.cas[key] = cas + 1
    self.log[#self.log + 1] = key
    return true
  end

  return store
end


-- ngx.shared.DICT with a clock of its own.
function M.dict()
  local dict = { items = {}, now = 0, capacity = math.huge, used = 0 }

  local function live(key)
    local item = dict.items[key]
    if item and item.dies and item.dies <= dict.now then
      dict.items[key] = nil
      return nil
    end

    return item
  end

  function dict.get(_, key)
    local item = live(key)
    return item and item.value
  end

  function dict.set(_, key, value, life)
    dict.items[key] = { value = value, dies = life and life > 0 and dict.now + life }
    return true
  end

  function dict.safe_set(self, key, value, life)
    local size = type(value) == "string" and #value or 8
    if self.used + size > self.capacity then
      return nil, "no memory"
    end

    self.used = self.used + size
    return self:set(key, value, life)
  end

  function dict.add(self, key, value, life)
    if live(key) then
      return false, "exists"
    end

    return self:set(key, value, life)
  end

  function dict.incr(_, key, by, init)
    local item = live(key)
    if not item then
      item = { value = init }
      dict.items[key] = item
    end

    item.value = item.value + by
    return item.value
  end

  function dict.ttl(_, key)
    local item = live(key)
    if not item then
      return nil, "not found"
    end

    return item.dies and item.dies - dict.now or 0
  end

  function dict.delete(_, key)
    dict.items[key] = nil
  end

  return dict
end


return M
