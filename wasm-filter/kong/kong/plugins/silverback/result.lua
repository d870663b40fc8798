-- Writes `kong.silverback.result` (docs/contract.md, wasm-filter/core/src/contract/result.rs).
--
--   u8 version = 1 | u16 status | u8 count | count x (u8 endpoint | u8 outcome)

local char = string.char
local concat = table.concat
local floor = math.floor
local match = string.match


local VERSION = 1
local MAX_TRIES = 255


local M = { ANSWERED = 0, FAILED = 1, TIMED_OUT = 2 }


-- `tries`: a list of { endpoint from 0, outcome }.
function M.encode(status, tries)
  local parts = {}
  for i = 1, #tries do
    parts[i] = char(tries[i][1], tries[i][2])
  end

  return char(VERSION, status % 256, floor(status / 256), #tries) .. concat(parts)
end


-- Kong's record of a try that another followed: `failed`, or `next` for an answer with a code that asks for
-- another try, which is a failure too.
local function outcome_of(try)
  return try.state == "failed" and try.code == 504 and M.TIMED_OUT or M.FAILED
end


-- The last piece of one of nginx's $upstream_... variables, which have one value a try.
local function last(value)
  return match(value or "", "([^ ,:]+)%s*$")
end


local function last_outcome(var)
  local seconds = last(var.upstream_header_time)
  if seconds and seconds ~= "-" then
    return M.ANSWERED
  end

  return last(var.upstream_status) == "504" and M.TIMED_OUT or M.FAILED
end


-- The tries of a request whose plan had `count` endpoints: each try takes the next, the list wraps round.
function M.tries(balancer_data, count, var)
  local list = {}
  local tries = balancer_data.tries
  local total = balancer_data.try_count or #tries
  for i = 1, math.min(total, MAX_TRIES) do
    local outcome = i == total and last_outcome(var) or outcome_of(tries[i])
    list[i] = { (i - 1) % count, outcome }
  end

  return list
end


return M
