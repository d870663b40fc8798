-- What each worker last read, in the shared dictionary. An entry dies by itself if its worker does.

local M = {}


local PREFIX = "worker:"
-- Seconds. A worker notes what it reads every second.
local LIFE = 5

M.INTERVAL = 1


-- Notes that worker `id` could read `epoch`; nil: that it could not.
function M.note(dict, id, epoch)
  if epoch then
    dict:set(PREFIX .. id, epoch, LIFE)
  else
    dict:delete(PREFIX .. id)
  end
end


-- What all of `count` workers have read: a list of { id, epoch }, and the first without.
function M.all(dict, count)
  local list, behind = {}, nil
  for id = 0, count - 1 do
    local epoch = dict:get(PREFIX .. id)
    list[id + 1] = { id = id, epoch = epoch }
    if not epoch and not behind then
      behind = id
    end
  end

  return list, behind
end


return M
