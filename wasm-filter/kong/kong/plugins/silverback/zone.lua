-- The zone of shared data as a store (table/read.lua says what that is).
--
-- What kills a worker here, all of it seen in Kong: to yield or to raise an error while the zone is
-- locked; `iterate_keys`, which yields under the lock; a write in the init phase. So the lock is held for
-- one get only, inside pcall, and nothing is made before init_worker. No value changes its length and
-- none is deleted, since a filter reads values after it has let go of the lock.

local ffi = require "ffi"

local pcall = pcall
local rawget = rawget
local type = type


local M = {}
local methods = {}
local mt = { __index = methods }


-- A zone of resty.wasmx.shm has its pointer under a key that is a table.
local function pointer(zone)
  for key, value in pairs(zone) do
    if type(key) == "table" then
      return value
    end
  end

  return nil
end


-- The store of a zone, or nil and what is missing.
function M.open(name)
  local loaded, shm = pcall(require, "resty.wasmx.shm")
  if not loaded then
    return nil, "resty.wasmx.shm cannot be loaded (hint: wasm = on)"
  end

  -- The module raises an error for a zone that it does not know.
  local zone = rawget(shm, name)
  if type(zone) ~= "table" or not zone.get then
    return nil, "there is no zone `" .. name .. "` (hint: nginx_wasm_shm_kv_" .. name .. " = 64m eviction=none)"
  end

  return setmetatable({ zone = zone, pointer = pointer(zone) }, mt)
end


function methods.get(self, key)
  local zone = self.zone
  zone:lock()
  local ok, value, cas = pcall(zone.get, zone, key)
  zone:unlock()
  if not ok then
    return nil, nil, "the zone cannot be read: " .. tostring(value)
  end

  return value, cas
end


function methods.set(self, key, value, cas)
  local ok, written, reason = pcall(self.zone.set, self.zone, key, value, cas)
  if not ok then
    return nil, "the zone cannot be written: " .. tostring(written)
  end

  if written == 1 then
    return true
  end

  return nil, written == 0 and "cas" or reason
end


local function copy_head(cvalue, len)
  local found = cvalue[0]
  local size = tonumber(found.len)
  return ffi.string(found.data, size < len and size or len)
end


-- The first bytes of a value: a pool of 64 MB need not become 64 MB of Lua strings.
function methods.head(self, key, len)
  if not self.pointer then
    local value, _, reason = self:get(key)
    return value and value:sub(1, len), reason
  end

  local C = ffi.C
  local name = ffi.new("ngx_str_t", { data = key, len = #key })
  local cvalue = ffi.new("ngx_str_t *[1]")
  local cas = ffi.new("uint32_t[1]")
  C.ngx_wa_ffi_shm_lock(self.pointer)
  local rc = C.ngx_wa_ffi_shm_kv_get(self.pointer, name, cvalue, cas)
  local ok, value = true, nil
  if rc == 0 then
    ok, value = pcall(copy_head, cvalue, len)
  end
  C.ngx_wa_ffi_shm_unlock(self.pointer)
  if not ok then
    return nil, "the zone cannot be read: " .. tostring(value)
  end

  return value
end


return M
