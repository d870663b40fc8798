-- The snapshot file as a store (table/read.lua), so that the same publisher writes it as the zone: pages
-- that the file's current root does not use, then a root, then the epoch record. A worker that is killed
-- in between leaves the table before in the file, whole.
--
--   0          epoch record, 64 bytes: one write within one page of the page cache
--   4096       root 0, root 1, 24,576 bytes each
--   65536      pages, 16,384 bytes each; those that were never written are a hole
--
-- Nothing is synced to the disk: what a crash of the machine leaves is checked by its digests.

local bit = require "bit"
local bytes = require "kong.plugins.silverback.table.bytes"
local ffi = require "ffi"
local keys = require "kong.plugins.silverback.table.keys"
local page = require "kong.plugins.silverback.table.page"

local sub = string.sub
local tonumber = tonumber


-- Own names, so that no other library's declaration can be in the way.
pcall(ffi.cdef, [[
  int silverback_open(const char *path, int flags, ...) __asm__("open");
  int silverback_close(int fd) __asm__("close");
  int silverback_flock(int fd, int operation) __asm__("flock");
  int silverback_fchmod(int fd, unsigned int mode) __asm__("fchmod");
  int silverback_ftruncate(int fd, long length) __asm__("ftruncate");
  long silverback_pread(int fd, void *buffer, size_t count, long offset) __asm__("pread");
  long silverback_pwrite(int fd, const void *buffer, size_t count, long offset) __asm__("pwrite");
  char *silverback_strerror(int number) __asm__("strerror");
]])


local C = ffi.C
-- Linux on x86-64 and AArch64.
local O_RDONLY, O_RDWR, O_CREAT, O_CLOEXEC = 0, 2, 0x40, 0x80000
local LOCK_EXCLUSIVE, LOCK_NO_WAIT = 2, 4
local OWNER_ONLY = 384 -- 0600

local ROOTS_AT = 4096
local ROOT_ROOM = 24576
local PAGES_AT = 65536
local PAGE_ROOM = 16384

local buffer = ffi.new("uint8_t[?]", ROOT_ROOM)

local M = {}
local methods = {}
local mt = { __index = methods }


local function problem(what)
  return what .. ": " .. ffi.string(C.silverback_strerror(ffi.errno()))
end


-- Where a value lies and how long it is; its page number, if it is a page.
local function place(key)
  if key == keys.EPOCH_KEY then
    return 0, keys.EPOCH_LEN
  end

  if key == keys.root_key(0) then
    return ROOTS_AT, keys.PHYSICAL_LEN
  end

  if key == keys.root_key(1) then
    return ROOTS_AT + ROOT_ROOM, keys.PHYSICAL_LEN
  end

  local number = tonumber(sub(key, -4), 16)
  return PAGES_AT + number * PAGE_ROOM, keys.PAGE_LEN, number
end


-- Opens the file, for the owner only; `writable` makes it and takes its lock. nil and a reason: `busy` if
-- another worker has it.
function M.open(path, writable)
  local flags = bit.bor(O_CLOEXEC, writable and bit.bor(O_RDWR, O_CREAT) or O_RDONLY)
  local fd = C.silverback_open(path, flags, ffi.new("int", OWNER_ONLY))
  if fd < 0 then
    return nil, problem("open")
  end

  if writable then
    if C.silverback_flock(fd, LOCK_EXCLUSIVE + LOCK_NO_WAIT) ~= 0 then
      C.silverback_close(fd)
      return nil, "busy"
    end

    if C.silverback_fchmod(fd, OWNER_ONLY) ~= 0 then
      local reason = problem("chmod")
      C.silverback_close(fd)
      return nil, reason
    end
  end

  return setmetatable({ fd = fd, cas = {}, writable = writable }, mt)
end


function methods.close(self)
  C.silverback_close(self.fd)
end


-- Forgets everything: what is there is of another release.
function methods.clear(self)
  self.cas, self.decoded = {}, nil
  return C.silverback_ftruncate(self.fd, 0) == 0
end


-- Up to `len` bytes; fewer at the end of the file.
function methods.read(self, at, len)
  local count = tonumber(C.silverback_pread(self.fd, buffer, len, at))
  if count < 0 then
    return nil, problem("read")
  end

  return ffi.string(buffer, count)
end


function methods.write(self, at, value)
  local done = 0
  while done < #value do
    local rest = sub(value, done + 1)
    local count = tonumber(C.silverback_pwrite(self.fd, rest, #rest, at + done))
    if count <= 0 then
      return nil, problem("write")
    end

    done = done + count
  end

  return true
end


-- A hole reads as zeros.
local function is_hole(value)
  return sub(value, 1, 4) == "\0\0\0\0" or value == ""
end


function methods.head(self, key, len)
  local at, full, number = place(key)
  local value, reason = self:read(at, len < full and len or full)
  if not value then
    return nil, reason
  end

  if is_hole(value) then
    return number and sub(page.empty(number), 1, len)
  end

  return value
end


function methods.get(self, key)
  if key == keys.SENTINEL_KEY then
    return keys.SENTINEL, 1
  end

  local at, len, number = place(key)
  local value, reason = self:read(at, len)
  if not value then
    return nil, nil, reason
  end

  if is_hole(value) then
    value = number and page.empty(number)
    if not value then
      return nil
    end
  elseif #value < len then
    -- The last page may end early: nothing is written behind its content if the disk was full.
    value = value .. bytes.zeros(len - #value)
  end

  return value, self.cas[key] or 1
end


-- Values have one writer at a time, by the file's lock; `cas` is what this opening has seen.
function methods.set(self, key, value, cas)
  local at, len = place(key)
  if #value ~= len then
    return nil, "a value of another length"
  end

  local known = self.cas[key] or (self:get(key) and 1) or 0
  if known ~= cas then
    return nil, "cas"
  end

  local ok, reason = self:write(at, value)
  if not ok then
    return nil, reason
  end

  self.cas[key] = known + 1
  return true
end


return M
