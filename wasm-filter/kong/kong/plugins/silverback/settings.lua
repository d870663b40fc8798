-- What the plugin is told about its node: environment variables, read when Kong loads the plugin in the
-- master process (workers do not have the environment), and kong.conf.
--
--   SILVERBACK_ATTACH     chain (default) or early
--   SILVERBACK_SNAPSHOT   path of the snapshot file, or `off`; default: silverback.table in Kong's prefix
--   SILVERBACK_FILTER_CONFIG   early mode: the filter's configuration (JSON)
--   SILVERBACK_MIRRORS    the most mirrored requests in flight in one worker; default 64, 0 = none

local getenv = os.getenv
local tonumber = tonumber


local UNITS = { [""] = 1, k = 1024, m = 1024 * 1024, g = 1024 * 1024 * 1024 }


local M = {
  -- The address of the placeholder service: connect() fails at once and no packet leaves.
  PLACEHOLDER = "224.0.0.1",
  ZONE = "silverback",
  DICT = "silverback",
  FILTER = "silverback",
  -- The header by which Kong's router finds the route with a plugin set. Without separators, because
  -- Kong's router takes `_` for `-` and a client's x_a would beat the filter's x-a.
  SET_HEADER = "silverbackset",
  attach = getenv("SILVERBACK_ATTACH") or "chain",
  snapshot = getenv("SILVERBACK_SNAPSHOT"),
  filter_config = getenv("SILVERBACK_FILTER_CONFIG"),
  mirrors = tonumber(getenv("SILVERBACK_MIRRORS") or "") or 64,
}


-- "64m eviction=none" -> bytes, eviction; nil for what is no size.
function M.parse_zone(value)
  local number, unit = tostring(value):match("^%s*(%d+)([kKmMgG]?)")
  if not number then
    return nil
  end

  return tonumber(number) * UNITS[unit:lower()], tostring(value):match("eviction=(%w+)") or "slru"
end


-- The zone's directive in Kong's configuration.
function M.zone_directive(conf)
  local value = conf["nginx_wasm_shm_kv_" .. M.ZONE]
  if value then
    return value
  end

  for _, directive in ipairs(conf.nginx_wasm_main_shm_kv_directives or {}) do
    if directive.name == M.ZONE then
      return directive.value
    end
  end

  return nil
end


-- Path of the snapshot file; nil if there shall be none.
function M.snapshot_path(conf)
  if M.snapshot == "off" then
    return nil
  end

  return M.snapshot or (conf.prefix .. "/silverback.table")
end


return M
