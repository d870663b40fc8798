-- The node protocol's requests in Kong's Admin API and status listener. They run in the workers that serve
-- requests.

local commits = require "kong.plugins.silverback.node.commit"
local errors = require "kong.plugins.silverback.node.errors"
local shim = require "kong.plugins.silverback.shim"


local M = {}


-- The body, in memory or in nginx's temporary file. nil and an error.
local function body()
  local announced = tonumber(ngx.var.http_content_length) or 0
  if announced > commits.MAX_BODY then
    return nil, { kind = "too_large", len = announced }
  end

  ngx.req.read_body()
  local data = ngx.req.get_body_data()
  if data then
    return data
  end

  local path = ngx.req.get_body_file()
  if not path then
    return ""
  end

  local file, reason = io.open(path, "rb")
  if not file then
    return nil, { kind = "internal", what = reason }
  end

  data = file:read(commits.MAX_BODY + 1)
  file:close()
  return data or ""
end


local function answer(status, content)
  return kong.response.exit(status, content)
end


-- The node, or nil after an answer that says why there is none.
local function node()
  if #shim.problems == 0 then
    return shim.node
  end

  return nil, errors.answer({ kind = "store", reason = table.concat(shim.problems, "; ") })
end


function M.commit()
  local target, status, content = node()
  if not target then
    return answer(status, content)
  end

  local data, err = body()
  if not data then
    return answer(errors.answer(err))
  end

  return answer(target:commit(data))
end


function M.put(self)
  local target, status, content = node()
  if not target then
    return answer(status, content)
  end

  local data, err = body()
  if not data then
    return answer(errors.answer(err))
  end

  return answer(target:put(self.params.digest, ngx.req.get_uri_args(), data))
end


function M.status()
  local target, status, content = node()
  if not target then
    return answer(status, content)
  end

  return answer(target:status())
end


function M.ready()
  local target, status, content = node()
  if not target then
    return answer(status, {
      schemaVersion = 1, ready = false, epoch = 0, workers = nil, reason = content.message,
    })
  end

  return answer(target:ready())
end


return M
