//! The translator's answers to people: what it knows beyond the table.
//!
//! `explain` adds to the table's answer what is wrong with the chosen rule, and the objects that a
//! request does not reach: those of another class, routes that no listener takes, and, where nothing
//! was found, those for other hosts.

use super::Translator;
use super::compiled::Compiled;
use crate::explain::{self, Candidate, Lost, Outcome, Question, RouteRef, Trace};
use crate::object::{Id, Kind, ObjectKey};
use crate::problem::{Code, Problem};
use crate::regex::Cache;
use crate::resources::View;
use crate::resources::ingress::Ingress;
use crate::resources::ingress::paths::IngressPathMatch;
use crate::resources::route::Route;
use crate::route::target::Target;
use crate::table::dump;
use crate::table::model::{HostPattern, PathMatch, Scope};

/// The most objects that are listed because they are not reached.
const MAX_UNREACHED: usize = 50;

/// What a request asks for.
struct Wanted<'r> {
    host: &'r str,
    path: &'r [u8],
    port: u16,
    patterns: Cache,
}

impl Translator {
    /// What happens with a request, as JSON ([`Question`] in, [`Trace`] out).
    ///
    /// # Errors
    /// A sentence about what is wrong with the question.
    pub fn explain_json(&self, json: &str) -> Result<String, String> {
        let trace = self.explain(&explain::question(json)?)?;
        serde_json::to_string(&trace).map_err(|error| error.to_string())
    }

    /// What happens with a request.
    ///
    /// # Errors
    /// A sentence about what is wrong with the question.
    pub fn explain(&self, question: &Question) -> Result<Trace, String> {
        let mut trace = explain::explain(self.table(), question)?;
        self.add_problems(&mut trace);
        let authority = question.host.as_deref().unwrap_or_default();
        let target = question.path.as_deref().unwrap_or("/");
        if let Some(target) = Target::parse(authority.as_bytes(), target.as_bytes()) {
            let wanted = Wanted {
                host: target.host.as_str(),
                path: &target.path,
                port: question.listener_port(question.tls()?),
                patterns: Cache::new(),
            };
            self.add_unreached(&wanted, &mut trace);
        }
        Ok(trace)
    }

    /// The whole table and what belongs to it, as JSON ([`dump::Dump`]).
    ///
    /// # Errors
    /// A sentence; a bug.
    pub fn dump_json(&self) -> Result<String, String> {
        let mut dump =
            dump::dump(self.table()).map_err(|_| "the table cannot be read".to_owned())?;
        for (_, json) in self.entities() {
            dump.entities
                .push(serde_json::from_str(json).map_err(|error| error.to_string())?);
        }
        serde_json::to_string(&dump).map_err(|error| error.to_string())
    }

    /// What is wrong with the rule that was chosen, and with its object as a whole.
    fn add_problems(&self, trace: &mut Trace) {
        let Some(route) = &trace.route else {
            return;
        };
        let key = [Kind::Ingress, Kind::HttpRoute, Kind::GrpcRoute]
            .into_iter()
            .find(|kind| kind.as_str() == route.kind)
            .map(|kind| ObjectKey::new(kind.group(), kind.as_str(), &route.namespace, &route.name));
        let rule = format!("spec.rules[{}]", route.rule);
        let concerns = |problem: &&Problem| {
            !problem.field.starts_with("spec.rules[") || problem.field.starts_with(&rule)
        };
        let problems = key.and_then(|key| self.problems.get(&key));
        trace.problems = problems
            .into_iter()
            .flatten()
            .filter(concerns)
            .cloned()
            .collect();
    }

    fn add_unreached(&self, wanted: &Wanted<'_>, trace: &mut Trace) {
        let missed = trace.outcome == Outcome::NotFound;
        let mut found = 0;
        for (id, compiled) in &self.routes {
            let Some(object) = self.store.get(id) else {
                continue;
            };
            let unreached = match &object.view {
                View::Ingress(ingress) => self.ingress(id, ingress, compiled, wanted),
                View::HttpRoute(route) | View::GrpcRoute(route) => {
                    route_not_reached(id, route, compiled, wanted)
                }
                _ => None,
            };
            let unreached =
                unreached.or_else(|| missed.then(|| other_host(id, compiled, wanted)).flatten());
            if let Some(candidate) = unreached {
                trace.candidates.push(candidate);
                found += 1;
            }
            if found == MAX_UNREACHED {
                return;
            }
        }
    }

    /// An Ingress of another class that would fit.
    fn ingress(
        &self,
        id: &Id,
        ingress: &Ingress,
        compiled: &Compiled,
        wanted: &Wanted<'_>,
    ) -> Option<Candidate> {
        if compiled.ours {
            return None;
        }
        let path = ingress.paths.iter().find(|path| {
            let fits = match &path.path {
                IngressPathMatch::Is(path) => wanted.path(path),
                IngressPathMatch::Unmarked(text) => wanted.path.starts_with(text.as_bytes()),
            };
            fits && wanted.host(&path.host, true)
        })?;
        let detail = self.other_class(ingress);
        Some(lost(id, path.rule, path.index, "class", detail))
    }

    /// Why an Ingress is not ours.
    fn other_class(&self, ingress: &Ingress) -> String {
        let class = ingress
            .class_annotation
            .as_deref()
            .or(ingress.class_name.as_deref());
        let ours = &self.options.ingress_class;
        match class {
            Some(class) => format!("its class {class} is not {ours}"),
            None => format!("it has no class, and {ours} is not the default class"),
        }
    }

    /// The Ingress objects that are not ours, and why, as of the last commit.
    pub fn of_other_classes(&self) -> impl Iterator<Item = (ObjectKey, String)> {
        let others = self.routes.iter().filter(|(_, compiled)| !compiled.ours);
        others.filter_map(|(id, _)| match &self.store.get(id)?.view {
            View::Ingress(ingress) => Some((id.key(), self.other_class(ingress))),
            _ => None,
        })
    }
}

/// A route that no listener takes, or only at another port.
fn route_not_reached(
    id: &Id,
    route: &Route,
    compiled: &Compiled,
    wanted: &Wanted<'_>,
) -> Option<Candidate> {
    let hosts = route.hostnames.as_deref();
    let host = hosts.is_none_or(|hosts| hosts.iter().any(|host| wanted.host(host, false)));
    if !host {
        return None;
    }
    let (rule, index) = route.rules.iter().find_map(|rule| {
        let fits = rule.matches.iter().find(|m| wanted.path(&m.path))?;
        Some((rule.index, fits.index))
    })?;
    if compiled.hosts.is_empty() {
        let (code, detail) = if compiled.ours {
            let why = compiled.findings.iter().find(|finding| {
                matches!(
                    finding.code,
                    Code::ParentNotFound
                        | Code::NoMatchingParent
                        | Code::NotAllowedByListeners
                        | Code::NoMatchingListenerHostname
                )
            })?;
            ("listener", why.message.to_string())
        } else {
            ("class", "none of its parents is ours".to_owned())
        };
        return Some(lost(id, rule, index, code, detail));
    }
    let mut ports: Vec<u16> = compiled
        .hosts
        .iter()
        .filter_map(|(key, _)| match &key.scope {
            Scope::Listener { port, .. } | Scope::Grpc { port, .. } => Some(*port),
            Scope::Ingress | Scope::IngressDefault => None,
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.contains(&wanted.port) {
        return None;
    }
    let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
    let detail = format!(
        "its listeners are at port {}, not {}",
        ports.join(", "),
        wanted.port
    );
    Some(lost(id, rule, index, "listener", detail))
}

/// An object whose path fits, for other hosts.
fn other_host(id: &Id, compiled: &Compiled, wanted: &Wanted<'_>) -> Option<Candidate> {
    let single = id.kind == Kind::Ingress;
    compiled.hosts.iter().find_map(|(key, matches)| {
        if wanted.host(&key.host, single) {
            return None;
        }
        let fits = matches.iter().find(|m| wanted.path(&m.path))?;
        let detail = format!("host {:?} is not {}", wanted.host, key.host);
        Some(lost(id, fits.rule.index, fits.index, "host", detail))
    })
}

fn lost(id: &Id, rule: u16, index: u16, code: &'static str, detail: String) -> Candidate {
    Candidate {
        route: RouteRef {
            kind: id.kind.as_str().to_owned(),
            namespace: id.namespace.to_string(),
            name: id.name.to_string(),
            rule,
            index,
        },
        lost: Lost { code, detail },
    }
}

// === impl Wanted ===

impl Wanted<'_> {
    /// Does the host fit? A wildcard stands for a `single` label or for several.
    fn host(&self, pattern: &HostPattern, single: bool) -> bool {
        match pattern {
            HostPattern::Any => true,
            HostPattern::Exact(host) => self.host == &**host,
            HostPattern::Wildcard(suffix) => {
                let head = self.host.strip_suffix(&**suffix);
                let labels = head.and_then(|head| head.strip_suffix('.'));
                labels.is_some_and(|labels| match single {
                    true => !labels.is_empty() && !labels.contains('.'),
                    false => !labels.is_empty(),
                })
            }
        }
    }

    fn path(&self, path: &PathMatch) -> bool {
        match path {
            PathMatch::Exact(text) => self.path == text.as_bytes(),
            PathMatch::Prefix(text) => {
                let rest = self.path.strip_prefix(text.as_bytes());
                rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
            }
            PathMatch::Text(text) => self.path.starts_with(text.as_bytes()),
            PathMatch::Regex(regex) => {
                self.patterns.is_match(regex.id, &regex.dfa, self.path) == Ok(true)
            }
        }
    }
}
