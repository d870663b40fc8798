-- TLS towards upstreams, by the id of the policy in the plan. What a policy is (CA certificates, client
-- certificate, verification) is in the configuration of the plugin's global entity, as ids of Kong's own
-- certificate entities: no secret is in the table, the plan or the snapshot.

local bytes = require "kong.plugins.silverback.table.bytes"

local pcall = pcall


-- Seconds until certificates that could not be read are tried again.
local RETRY = 1
-- Policy 0 of the contract: TLS without verification.
local NO_POLICY = "0000000000000000"


local M = { policies = {}, generation = 0 }


local function store_of(ids)
  local x509 = require "resty.openssl.x509"
  local store = assert(require("resty.openssl.x509.store").new())
  for _, id in ipairs(ids) do
    local entity = assert(kong.db.ca_certificates:select({ id = id }))
    assert(store:add(assert(x509.new(entity.cert, "PEM"))))
  end

  return store
end


local function client_certificate(id)
  local ssl = require "ngx.ssl"
  local entity = assert(kong.db.certificates:select({ id = id }))
  return assert(ssl.parse_pem_cert(entity.cert)), assert(ssl.parse_pem_priv_key(entity.key))
end


local function load_policy(config)
  local policy = { verify = config.verify ~= false, depth = config.verify_depth }
  if policy.verify then
    policy.store = store_of(config.ca_certificates or {})
  end

  if config.client_certificate then
    policy.chain, policy.key = client_certificate(config.client_certificate)
  end

  return policy
end


local function load_all(premature, list, generation)
  -- A newer configuration has come meanwhile.
  if premature or generation ~= M.generation then
    return
  end

  local policies, failed = {}, nil
  for _, config in ipairs(list) do
    local ok, policy = pcall(load_policy, config)
    if ok then
      policies[config.id:lower()] = policy
    else
      failed = true
      ngx.log(ngx.ERR, "[silverback] TLS policy ", config.id, " cannot be used yet: ", policy)
    end
  end

  M.policies = policies
  if failed then
    ngx.timer.at(RETRY, load_all, list, generation)
  end
end


-- Takes the configuration of the plugin's entities; nil: there is none.
function M.configure(configs)
  local list = {}
  for _, config in ipairs(configs or {}) do
    for _, policy in ipairs(config.tls_policies or {}) do
      list[#list + 1] = policy
    end
  end

  M.generation = M.generation + 1
  load_all(false, list, M.generation)
end


-- Applies the policy with this id (8 bytes) to the current request. The name for the keep-alive pool, or nil if
-- the policy is not known: then nothing may be connected.
function M.apply(id)
  local hex = bytes.id_to_hex(id)
  local service = kong.service
  if hex == NO_POLICY then
    return service.set_tls_verify(false) and hex or nil
  end

  local policy = M.policies[hex]
  if not policy or not service.set_tls_verify(policy.verify) then
    return nil
  end

  if policy.store and not service.set_tls_verify_store(policy.store) then
    return nil
  end

  if policy.depth and not service.set_tls_verify_depth(policy.depth) then
    return nil
  end

  if policy.chain and not service.set_tls_cert_key(policy.chain, policy.key) then
    return nil
  end

  -- Other certificates under the same id are another policy for the pool.
  return hex .. "." .. M.generation
end


return M
