//! TLS towards upstreams: policies by id. The table has the ids, the entities what they are, and neither
//! a certificate.

use std::collections::BTreeMap;

use crate::resources::annotations::service::TlsAnnotations;
use crate::table::hash::digest64;
use crate::table::model::ServicePort;

/// A policy: the settings of a Service, and the namespace in which their names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsPolicy {
    pub(crate) namespace: Box<str>,
    pub(crate) settings: TlsAnnotations,
}

/// The policies of Service ports that are named.
#[derive(Debug, Default)]
pub(crate) struct TlsPolicies {
    of_port: BTreeMap<ServicePort, u64>,
    counts: BTreeMap<u64, (TlsPolicy, u32)>,
}

// === impl TlsPolicy ===

impl TlsPolicy {
    /// The same settings have the same id in every translator; never 0, which is "no policy".
    pub(crate) fn id(&self) -> u64 {
        let TlsAnnotations {
            verify,
            depth,
            ca_secrets,
            ca_config_maps,
            client,
        } = &self.settings;
        let verify = if *verify { "verify" } else { "" };
        let depth = depth.map(|depth| depth.to_string()).unwrap_or_default();
        let (secrets, config_maps) = (ca_secrets.join(","), ca_config_maps.join(","));
        let client = client.as_deref().unwrap_or_default();
        let parts = [
            "tls-policy",
            &self.namespace,
            verify,
            &depth,
            &secrets,
            &config_maps,
            client,
        ];
        digest64(&parts).max(1)
    }
}

// === impl TlsPolicies ===

impl TlsPolicies {
    /// This port has this policy, or none; gives the ids of policies that came or went.
    pub(crate) fn set(&mut self, port: &ServicePort, policy: Option<TlsPolicy>) -> Vec<u64> {
        let id = policy.as_ref().map(TlsPolicy::id);
        if self.of_port.get(port).copied() == id {
            return Vec::new();
        }
        let mut changed = Vec::new();
        if let Some(old) = self.of_port.remove(port)
            && let Some((_, count)) = self.counts.get_mut(&old)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&old);
                changed.push(old);
            }
        }
        if let (Some(id), Some(policy)) = (id, policy) {
            self.of_port.insert(port.clone(), id);
            let (_, count) = self.counts.entry(id).or_insert_with(|| (policy, 0));
            *count += 1;
            if *count == 1 {
                changed.push(id);
            }
        }
        changed
    }

    /// `None` if nobody needs it.
    pub(crate) fn get(&self, id: u64) -> Option<&TlsPolicy> {
        self.counts.get(&id).map(|(policy, _)| policy)
    }
}
