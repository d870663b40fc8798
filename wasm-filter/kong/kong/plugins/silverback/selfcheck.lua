-- Looks, when a worker starts, at everything inside Kong that the plugin uses, and says what is missing.

local keys = require "kong.plugins.silverback.table.keys"
local settings = require "kong.plugins.silverback.settings"

local format = string.format
local pcall = pcall
local type = type


local M = {}


-- What must be a function: module and the fields of it.
local FUNCTIONS = {
  { "resty.kong.grpc", "set_authority" },
  { "ngx.balancer", "get_last_failure" },
  { "kong.runloop.wasm", "attach", "enabled" },
  { "kong.runloop.wasm.properties", "add_getter", "add_setter", "get", "set" },
}
local EARLY = { "resty.wasmx.proxy_wasm", "new", "load", "attach", "set_host_properties_handlers" }
local PDK = {
  response = { "error", "exit" },
  service = { "set_tls_verify", "set_tls_verify_store", "set_tls_verify_depth", "set_tls_cert_key" },
}


local function check_functions(entry, problem)
  local ok, module = pcall(require, entry[1])
  if not ok then
    return problem("module %s cannot be loaded: %s", entry[1], module)
  end

  for i = 2, #entry do
    if type(module[entry[i]]) ~= "function" then
      problem("%s.%s is not there", entry[1], entry[i])
    end
  end
end


local function check_pdk(problem)
  for name, functions in pairs(PDK) do
    for _, field in ipairs(functions) do
      if type(kong[name]) ~= "table" or type(kong[name][field]) ~= "function" then
        problem("kong.%s.%s is not there", name, field)
      end
    end
  end

  for _, field in ipairs({ "clear_header", "set_header", "get_headers", "set_uri_args" }) do
    if type(ngx.req[field]) ~= "function" then
      problem("ngx.req.%s is not there", field)
    end
  end

  local global = rawget(_G, "Kong")
  if type(global) ~= "table" or type(global.balancer) ~= "function" then
    problem("the global Kong.balancer is not there")
  end
end


-- The number of pages of the zone's pool; 0 where it cannot be told.
local function check_zone(problem)
  local directive = settings.zone_directive(kong.configuration)
  if not directive then
    problem("no zone is configured (hint: nginx_wasm_shm_kv_%s = 64m eviction=none)", settings.ZONE)
    return 0
  end

  local size, eviction = settings.parse_zone(directive)
  if not size then
    problem("the zone's size `%s` is none", tostring(directive))
    return 0
  end

  if eviction ~= "none" then
    problem("the zone evicts (%s): parts of the table would get lost (hint: eviction=none)", eviction)
  end

  local pages = keys.pages_in_zone(size)
  if pages < 3 then
    problem("the zone is too small for a table (hint: 64m)")
  end

  return pages
end


local function check_filter(problem)
  local ok, wasm = pcall(require, "kong.runloop.wasm")
  if not ok then
    return
  end

  if type(wasm.enabled) == "function" and not wasm.enabled() then
    return problem("filters are off (hint: wasm = on, and %s.wasm in wasm_filters_path)", settings.FILTER)
  end

  if type(wasm.filters_by_name) == "table" and not wasm.filters_by_name[settings.FILTER] then
    problem("there is no filter `%s` (hint: %s.wasm in wasm_filters_path)", settings.FILTER, settings.FILTER)
  end
end


-- A list of what is missing, for people, and the number of pages of the pool.
function M.run()
  local problems = {}
  local function problem(...)
    problems[#problems + 1] = format(...)
  end

  for _, entry in ipairs(FUNCTIONS) do
    check_functions(entry, problem)
  end

  if settings.attach == "early" then
    check_functions(EARLY, problem)
  elseif settings.attach ~= "chain" then
    problem("SILVERBACK_ATTACH is `%s` (hint: chain or early)", settings.attach)
  end

  check_pdk(problem)
  check_filter(problem)
  if not ngx.shared[settings.DICT] then
    problem("there is no shared dictionary `%s` (hint: nginx_http_lua_shared_dict = %s 32m)", settings.DICT,
            settings.DICT)
  end

  return problems, check_zone(problem)
end


return M
