-- Kong's status listener: the readiness probe of the pod.

local http = require "kong.plugins.silverback.node.http"


return {
  ["/silverback/v1/ready"] = { GET = http.ready },
}
