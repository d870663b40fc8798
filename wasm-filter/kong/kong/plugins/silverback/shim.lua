-- Starts the plugin in a worker: self-check, zone, table from disk, hooks, timers. In init_worker, which is the
-- first phase in which the zone may be written and the last one before the filter and requests come.

local attach = require "kong.plugins.silverback.attach"
local counters = require "kong.plugins.silverback.counters"
local early = require "kong.plugins.silverback.early"
local nodes = require "kong.plugins.silverback.node.node"
local properties = require "kong.plugins.silverback.properties"
local read = require "kong.plugins.silverback.table.read"
local selfcheck = require "kong.plugins.silverback.selfcheck"
local settings = require "kong.plugins.silverback.settings"
local snapshots = require "kong.plugins.silverback.snapshot.snapshot"
local workers = require "kong.plugins.silverback.workers"
local zones = require "kong.plugins.silverback.zone"


-- `problems`: why the plugin does not work here; empty when it does.
local M = { problems = { "the plugin was not started" } }


local function log(level, ...)
  ngx.log(level, "[silverback] ", ...)
end


local function yield()
  ngx.sleep(0)
end


-- What this worker reads now, for `ready`.
local function note()
  local epoch = read.pin(M.node.store)
  workers.note(M.node.dict, ngx.worker.id(), epoch)
end


local function save(premature)
  if premature or not M.snapshot then
    return
  end

  local ok, reason = M.snapshot:save()
  if not ok and reason ~= "later" and reason ~= M.complained then
    -- Once, until it changes: a full disk stays full for a while.
    M.complained = reason
    log(ngx.ERR, "the table cannot be saved to ", M.snapshot.path, ": ", reason)
  end
end


local function every_second(premature)
  if premature then
    return
  end

  note()
  if ngx.worker.id() == 0 then
    save()
  end
end


local function committed()
  note()
  ngx.timer.at(0, save)
end


local function open_zone(pages)
  local store, reason = zones.open(settings.ZONE)
  if not store then
    return nil, reason
  end

  M.node = nodes.new({
    store = store,
    dict = ngx.shared[settings.DICT],
    pages = pages,
    workers = ngx.worker.count(),
    committed = committed,
  })
  local publisher, err = M.node:publisher()
  if not publisher then
    return nil, "the zone cannot be used: " .. (err.reason or err.what or err.kind)
  end

  return store
end


local function load_snapshot(store, pages)
  local path = settings.snapshot_path(kong.configuration)
  if not path then
    return
  end

  local epoch, reason = snapshots.load(path, store, M.node:publisher())
  if epoch then
    log(ngx.NOTICE, "epoch ", epoch, " read from ", path)
  else
    log(ngx.INFO, "no table read from ", path, ": ", reason)
  end

  M.snapshot = snapshots.new({ path = path, store = store, pages = pages, dict = M.node.dict, pause = yield })
end


local function hook()
  local runtime = require "kong.runloop.wasm.properties"
  properties.register(runtime)
  attach.balancer(rawget(_G, "Kong"), require("ngx.balancer").get_last_failure)
  if settings.attach == "early" then
    return early.init(require "resty.wasmx.proxy_wasm", runtime)
  end

  attach.chain(require "kong.runloop.wasm")
  return true
end


local function start()
  local problems, pages = selfcheck.run()
  if #problems > 0 then
    return problems
  end

  counters.use(ngx.shared[settings.DICT])
  local store, reason = open_zone(pages)
  if not store then
    return { reason }
  end

  load_snapshot(store, pages)
  local ok
  ok, reason = hook()
  if not ok then
    return { "the filter cannot be loaded: " .. tostring(reason) }
  end

  note()
  -- Only from here on may a commit yield.
  M.node.pause = yield
  ok, reason = ngx.timer.every(workers.INTERVAL, every_second)
  if not ok then
    return { "no timer: " .. tostring(reason) }
  end

  return {}
end


-- Without a plan every request of the placeholder services fails closed, so a plugin that does not start costs
-- no wrong answer.
function M.init_worker()
  -- Neither the stream subsystem nor helper processes have requests or the zone.
  if ngx.config.subsystem ~= "http" or not ngx.worker.id() then
    return
  end

  local ok, problems = pcall(start)
  if not ok then
    problems = { "it failed to start: " .. tostring(problems) }
  end

  M.problems = problems
  for _, text in ipairs(problems) do
    log(ngx.CRIT, "does not work here: ", text)
  end
end


return M
