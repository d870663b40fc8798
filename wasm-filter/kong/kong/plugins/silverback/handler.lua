-- The plugin `silverback`. It only has to be loaded (`plugins = bundled,silverback`); a global entity of it is
-- needed for TLS policies, and for attach mode `early`.

local early = require "kong.plugins.silverback.early"
local settings = require "kong.plugins.silverback.settings"
local shim = require "kong.plugins.silverback.shim"
local tls = require "kong.plugins.silverback.tls"


local Handler = {
  VERSION = "0.1.0",
  -- Before every other plugin: in early mode none may run before the route was checked.
  PRIORITY = 2147483000,
}


function Handler:init_worker()
  shim.init_worker()
end


function Handler:configure(configs)
  tls.configure(configs)
end


if settings.attach == "early" then
  function Handler:rewrite()
    early.rewrite(ngx.ctx)
  end

  function Handler:access()
    early.access(ngx.ctx)
  end
end


return Handler
