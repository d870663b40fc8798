-- The files that Rust made (wasm-filter/core/testdata).

local cjson = require "cjson"

local M = {}


local CORE = (os.getenv("SILVERBACK_CORE") or "../core") .. "/testdata/"


function M.json(name)
  local file = assert(io.open(CORE .. name, "rb"))
  local text = file:read("*a")
  file:close()
  return cjson.decode(text)
end


function M.hex(text)
  return (text:gsub(" ", ""):gsub("..", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end


-- Bytes in a contract case: text, or { hex }.
function M.bytes(value)
  return type(value) == "table" and M.hex(value.hex) or value
end


-- Bytes in a node case: a list of hex and { count, byte }.
function M.runs(list)
  local parts = {}
  for i, part in ipairs(list) do
    parts[i] = type(part) == "table" and string.rep(string.char(part[2]), part[1]) or M.hex(part)
  end

  return table.concat(parts)
end


-- wasm-filter/core/tests/node/bytes.rs, `noise`.
function M.noise(seed, len)
  local state = 0ULL + seed
  local parts = {}
  for i = 1, len do
    state = (state * 1664525ULL + 1013904223ULL) % 0x100000000ULL
    parts[i] = string.char(tonumber(state / 0x1000000ULL))
  end

  return table.concat(parts)
end


return M
