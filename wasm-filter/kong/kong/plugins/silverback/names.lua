-- What log, Prometheus and rate-limiting plugins see as route and service: copies of Kong's with the
-- rule's names. Copies, because an overlay by metatable loses its fields in the log serializer; kept, because
-- a copy costs more than a look-up.

local setmetatable = setmetatable


-- Names come from rules, so there are about as many as rules in use. A worker that has seen more begins anew.
local LIMIT = 16384


local M = {}

local copies = setmetatable({}, { __mode = "k" })
local count = 0


local function copy(entity)
  local new = {}
  for key, value in pairs(entity) do
    new[key] = value
  end

  return new
end


local function cached(entity, key)
  local of_entity = copies[entity]
  if not of_entity then
    of_entity = {}
    copies[entity] = of_entity
  end

  return of_entity, of_entity[key]
end


local function keep(entity, key, new)
  if count >= LIMIT then
    copies, count = setmetatable({}, { __mode = "k" }), 0
  end

  count = count + 1
  cached(entity, key)[key] = new
  return new
end


local function split(tags)
  local list = {}
  for tag in tags:gmatch("[^,]+") do
    list[#list + 1] = tag
  end

  return list
end


-- A UUID that says which name it was made of, for plugins that count by the service's id.
local function id_of(name)
  local hex = ngx.md5("silverback service " .. name)
  local third, fourth = "3" .. hex:sub(14, 16), "8" .. hex:sub(18, 20)
  return table.concat({ hex:sub(1, 8), hex:sub(9, 12), third, fourth, hex:sub(21) }, "-")
end


-- The route with another name and tags. Its id stays, so that plugins of the route stay.
function M.route(route, name, tags)
  if not name and not tags then
    return route
  end

  local key = (name or "") .. "\0" .. (tags or "")
  local _, known = cached(route, key)
  if known then
    return known
  end

  local new = copy(route)
  new.name = name or route.name
  new.tags = tags and split(tags) or route.tags
  return keep(route, key, new)
end


-- The service with another name and id, and with the TLS policy where Kong looks for what else belongs to
-- the name of the keep-alive pool (kong/init.lua, Kong.balancer): without it a connection that was opened without
-- verification would serve a request that wants it.
function M.service(service, name, policy)
  if not name and not policy then
    return service
  end

  local key = (name or "") .. "\0" .. (policy or "")
  local _, known = cached(service, key)
  if known then
    return known
  end

  local new = copy(service)
  if name then
    new.name, new.id = name, id_of(name)
  end

  if policy then
    new.client_certificate = { id = "silverback:" .. policy }
  end

  return keep(service, key, new)
end


return M
