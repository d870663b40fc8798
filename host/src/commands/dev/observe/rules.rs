//! Names for what a plan has numbers for: the rule of an id, the backend of an endpoint.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use silverback_core::table::model::RouteKind;

use crate::dump::{Backend, Dump, RouteRef};
use crate::render;

/// Tables that are remembered: a request may have been planned with one that is gone.
const TABLES: usize = 4;
/// A table is in effect some milliseconds before it is dumped.
const PATIENCE: Duration = Duration::from_millis(250);

/// The names of one table.
#[derive(Debug, Default)]
pub(in crate::commands::dev) struct Names {
    epoch: u64,
    rules: HashMap<u64, Rule>,
    endpoints: HashMap<String, Vec<SocketAddr>>,
    /// Those of all Services.
    addresses: HashSet<SocketAddr>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    /// Keys of `endpoints`.
    backends: Vec<String>,
}

/// The names of the last tables.
#[derive(Debug, Default)]
pub(in crate::commands::dev) struct Rules {
    tables: Mutex<Tables>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Tables {
    /// The newest is the last.
    names: VecDeque<Arc<Names>>,
    /// An epoch that was waited for in vain.
    missing: u64,
}

// === impl Names ===

impl Names {
    fn new(epoch: u64, dump: &Dump) -> Self {
        let mut rules: HashMap<u64, Rule> = HashMap::new();
        let matches = dump.hosts.iter().flat_map(|host| &host.matches);
        for matched in matches {
            let Some(id) = rule_id(&matched.route) else {
                continue;
            };
            let rule = rules.entry(id).or_insert_with(|| Rule {
                name: rule_name(&matched.route),
                backends: Vec::new(),
            });
            // The paths of an Ingress's rule have a backend each.
            for backend in matched.backends.iter().filter_map(backend_name) {
                if !rule.backends.contains(&backend) {
                    rule.backends.push(backend);
                }
            }
        }
        let endpoints = dump.services.iter().map(|service| {
            let port = render::port(&service.port);
            let name = format!("{}/{}:{port}", service.namespace, service.name);
            let addresses = service.endpoints.iter();
            (name, addresses.filter_map(|at| at.parse().ok()).collect())
        });
        let endpoints: HashMap<String, Vec<SocketAddr>> = endpoints.collect();
        Self {
            epoch,
            rules,
            addresses: endpoints.values().flatten().copied().collect(),
            endpoints,
        }
    }

    /// `Kind namespace/name#rule`.
    pub(in crate::commands::dev) fn rule(&self, id: u64) -> Option<&str> {
        Some(&self.rules.get(&id)?.name)
    }

    /// Which of a rule's backends (`namespace/service:port`) an endpoint is of. Two may have it; then
    /// it is the first.
    pub(in crate::commands::dev) fn backend(&self, id: u64, endpoint: SocketAddr) -> Option<&str> {
        let mut backends = self.rules.get(&id)?.backends.iter();
        let has = |name: &&String| {
            let endpoints = self.endpoints.get(*name);
            endpoints.is_some_and(|endpoints| endpoints.contains(&endpoint))
        };
        backends.find(has).map(String::as_str)
    }

    /// Whether any Service has the endpoint.
    pub(in crate::commands::dev) fn has_endpoint(&self, endpoint: &SocketAddr) -> bool {
        self.addresses.contains(endpoint)
    }
}

fn rule_id(route: &RouteRef) -> Option<u64> {
    let kind = RouteKind::from_name(&route.kind)?;
    let index = u16::try_from(route.rule).ok()?;
    Some(kind.rule_id(route.namespace.as_bytes(), route.name.as_bytes(), index))
}

fn rule_name(route: &RouteRef) -> String {
    format!(
        "{} {}/{}#{}",
        route.kind, route.namespace, route.name, route.rule
    )
}

fn backend_name(backend: &Backend) -> Option<String> {
    if backend.invalid.is_some() {
        return None;
    }
    let port = render::port(&backend.port);
    Some(format!("{}/{}:{port}", backend.namespace, backend.name))
}

// === impl Rules ===

impl Rules {
    /// A table came into effect.
    pub(in crate::commands::dev) fn set(&self, epoch: u64, dump: &Dump) -> Arc<Names> {
        let names = Arc::new(Names::new(epoch, dump));
        let mut tables = lock(&self.tables);
        if tables.names.len() == TABLES {
            tables.names.pop_front();
        }
        tables.names.push_back(Arc::clone(&names));
        drop(tables);
        self.changed.notify_all();
        names
    }

    /// The table that was in effect in this epoch. For a new one it waits a little, once.
    pub(in crate::commands::dev) fn at(&self, epoch: u64) -> Option<Arc<Names>> {
        let mut tables = lock(&self.tables);
        let newest = |tables: &Tables| tables.names.back().map_or(0, |names| names.epoch);
        if newest(&tables) < epoch && tables.missing < epoch {
            let early = |tables: &mut Tables| newest(tables) < epoch;
            let waited = self.changed.wait_timeout_while(tables, PATIENCE, early);
            tables = waited.unwrap_or_else(PoisonError::into_inner).0;
            if newest(&tables) < epoch {
                tables.missing = epoch;
            }
        }
        let mut names = tables.names.iter().rev();
        names.find(|names| names.epoch <= epoch).cloned()
    }
}

/// What is locked here is whole at each step.
fn lock(tables: &Mutex<Tables>) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(rule: u32) -> Dump {
        Dump::parse(&format!(
            r#"{{"hosts":[{{"scope":"ingress","host":"a.com","matches":[
              {{"path":{{"type":"Exact","value":"/x"}},
                "route":{{"kind":"Ingress","namespace":"d","name":"shop","rule":{rule},"match":1}},
                "backends":[{{"kind":"Service","namespace":"d","name":"web","port":80,"weight":1}},
                            {{"invalid":"BackendNotFound","weight":1}}]}},
              {{"path":{{"type":"Exact","value":"/y"}},
                "route":{{"kind":"Ingress","namespace":"d","name":"shop","rule":{rule},"match":0}},
                "backends":[{{"kind":"Service","namespace":"d","name":"api","port":80,"weight":1}}]}}]}}],
              "services":[{{"namespace":"d","name":"web","port":80,"endpoints":["10.0.0.1:80"]}},
                          {{"namespace":"d","name":"api","port":80,"endpoints":["10.0.0.2:80"]}}]}}"#
        ))
        .expect("a dump")
    }

    fn id(rule: u16) -> u64 {
        RouteKind::Ingress.rule_id(b"d", b"shop", rule)
    }

    #[test]
    fn rules_and_backends_have_their_names() {
        let names = Names::new(1, &dump(2));
        assert_eq!(names.rule(id(2)), Some("Ingress d/shop#2"));
        assert_eq!(names.rule(id(1)), None);
        let at = |text: &str| text.parse().expect("an address");
        assert_eq!(names.backend(id(2), at("10.0.0.2:80")), Some("d/api:80"));
        assert_eq!(names.backend(id(2), at("10.0.0.3:80")), None);
        assert!(names.has_endpoint(&at("10.0.0.1:80")));
        assert!(!names.has_endpoint(&at("10.0.0.1:81")));
    }

    #[test]
    fn a_request_has_the_names_of_its_own_table() {
        let rules = Rules::default();
        assert!(rules.at(0).is_none());
        rules.set(1, &dump(1));
        rules.set(2, &dump(2));
        let first = rules.at(1).expect("a table");
        assert_eq!(first.rule(id(1)), Some("Ingress d/shop#1"));
        assert_eq!(rules.at(2).expect("a table").rule(id(1)), None);

        // One that is on its way is waited for.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| rules.at(3).map(|names| names.epoch));
            rules.set(3, &dump(3));
            assert_eq!(waiting.join().expect("no panic"), Some(3));
        });
        // One that never comes is not.
        assert_eq!(rules.at(9).map(|names| names.epoch), Some(3));
        assert_eq!(rules.at(9).map(|names| names.epoch), Some(3));
        for epoch in 4..8 {
            rules.set(epoch, &dump(1));
        }
        assert!(rules.at(3).is_none(), "forgotten");
    }
}
