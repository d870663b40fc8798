local typedefs = require "kong.db.schema.typedefs"


return {
  name = "silverback",
  fields = {
    -- It acts on every request or, in chain mode, only carries TLS policies.
    { route = typedefs.no_route },
    { service = typedefs.no_service },
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    {
      config = {
        type = "record",
        fields = {
          {
            tls_policies = {
              description = "TLS towards upstreams, by the id that plans name.",
              type = "array",
              required = true,
              default = {},
              elements = {
                type = "record",
                fields = {
                  { id = { type = "string", required = true, match = "^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$" } },
                  { verify = { type = "boolean", required = true, default = true } },
                  { verify_depth = { type = "integer", between = { 0, 64 } } },
                  { ca_certificates = { type = "array", elements = { type = "string", uuid = true } } },
                  { client_certificate = { type = "string", uuid = true } },
                },
              },
            },
          },
        },
      },
    },
  },
}
