-- Kong's Admin API (docs/node-protocol.md). Kong changes these tables, so each listener has its own.

local http = require "kong.plugins.silverback.node.http"


return {
  ["/silverback/v1/commit"] = { POST = http.commit },
  ["/silverback/v1/segments/:digest"] = { PUT = http.put },
  ["/silverback/v1/status"] = { GET = http.status },
  ["/silverback/v1/ready"] = { GET = http.ready },
}
