-- Counters of the node, shared by all workers; `status` shows them.

local M = {}


local PREFIX = "count:"


-- Every name that is ever counted: a closed list, so that nothing a client sends makes a new one.
M.NAMES = {
  "commits", "refused", "bad_plans", "no_plan", "not_loaded", "wrong_route", "no_h2c", "wrong_protocol",
  "tls_unknown", "server_name_as_host", "retry_approximated", "deadline_over", "mirrors_sent",
  "mirrors_skipped", "mirrors_failed", "snapshots", "snapshots_failed",
}


-- The shared dictionary; nil counts nothing.
function M.use(dict)
  M.dict = dict
end


function M.add(name)
  if M.dict then
    M.dict:incr(PREFIX .. name, 1, 0)
  end
end


-- All that were counted, by name; those of the protocol always.
function M.all()
  local all = { commits = 0, refused = 0 }
  for _, name in ipairs(M.NAMES) do
    local count = M.dict and M.dict:get(PREFIX .. name)
    if count then
      all[name] = count
    end
  end

  return all
end


return M
