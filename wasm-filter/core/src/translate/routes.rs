//! HTTPRoute, GRPCRoute -> matches, where it attaches, and its status.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attach::{Attachment, Reached, attach};
use super::backends::Resolved;
use super::compiled::{Compiled, route_object};
use super::deps::Reads;
use super::plugins::Plugins;
use super::status::{Condition, ParentStatus, RouteStatus};
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::annotations::route::RouteAnnotations;
use crate::resources::annotations::{Cost, PluginName};
use crate::resources::route::{Fault, Route, RouteRule};
use crate::table::model::{RouteKind, RouteMatch, RouteObject, Rule};

/// The most rules that a message lists.
const MAX_LISTED: usize = 10;

pub(crate) fn compile(id: &Id, object: &Object, route: &Route, mut reads: Reads<'_>) -> Compiled {
    let mut out = Compiled::default();
    let mut reached = Reached::default();
    if route.parents.is_empty() {
        out.findings.push(Finding::warning(
            Code::ParentNotFound,
            "spec.parentRefs",
            "the route has no parent and is not reachable",
        ));
    }
    let hostnames = match &route.annotations {
        Some(annotations) => annotations.hosts(route.hostnames.as_deref()),
        None => route.hostnames.clone(),
    };
    let hostnames = hostnames.as_deref();
    let attachments: Vec<_> = route
        .parents
        .iter()
        .map(|parent| attach(id, parent, hostnames, &mut reads, &mut reached))
        .collect();
    let known = |a: &Attachment| matches!(a, Attachment::Attached | Attachment::Refused(..));
    let status = attachments.iter().any(known);
    // A parent that does not exist is nobody's; who else should tell it?
    out.ours = status
        || route.parents.is_empty()
        || attachments
            .iter()
            .any(|a| matches!(a, Attachment::Missing(_)));
    let mut resolved = Resolved::default();
    let mut matches = Vec::new();
    if status {
        compile_rules(id, object, route, &mut reads, &mut resolved, &mut matches);
    }
    let verdict = verdict(route);
    let mut parents = Vec::new();
    for (parent, attachment) in route.parents.iter().zip(attachments) {
        let accepted = match attachment {
            Attachment::Others => continue,
            Attachment::Missing(finding) => {
                out.findings.push(finding);
                continue;
            }
            Attachment::Refused(reason, finding) => {
                let condition = Condition::no("Accepted", reason, finding.message.clone());
                out.findings.push(finding);
                condition
            }
            Attachment::Attached => verdict.accepted.clone(),
        };
        let unresolved = resolved.unresolved.clone();
        let partial = verdict.partial.clone().filter(|_| accepted.holds);
        let mut conditions = vec![
            accepted,
            unresolved.unwrap_or_else(|| Condition::yes("ResolvedRefs", "ResolvedRefs")),
        ];
        conditions.extend(partial);
        parents.push(ParentStatus {
            parent: parent.clone(),
            conditions: conditions.into(),
        });
    }
    if status {
        out.status = Some(RouteStatus {
            generation: object.generation,
            parents: parents.into(),
        });
    }
    if verdict.accepted.holds {
        out.attached = reached.listeners.into_iter().collect();
    }
    if verdict.programmed && !matches.is_empty() {
        let matches: Arc<[RouteMatch]> = matches.into();
        out.hosts = reached
            .hosts
            .into_iter()
            .map(|key| (Arc::new(key), matches.clone()))
            .collect();
    }
    out.findings.append(&mut resolved.findings);
    out.deps = reads.into_deps();
    out
}

/// What can be done with a route, wherever it attaches.
struct Verdict {
    accepted: Condition,
    /// `PartiallyInvalid`, if the route is accepted.
    partial: Option<Condition>,
    /// Are its matches in the table? Those of a route without a valid rule are too, and answer 500:
    /// a less specific route must not take requests that were meant for a filter.
    programmed: bool,
}

fn verdict(route: &Route) -> Verdict {
    let rejected = |reason, message: &str, programmed| Verdict {
        accepted: Condition::no("Accepted", reason, message),
        partial: None,
        programmed,
    };
    if route
        .hostnames
        .as_ref()
        .is_some_and(|hosts| hosts.is_empty())
    {
        return rejected("UnsupportedValue", "no hostname is valid", false);
    }
    if route.cost() == Cost::Drop {
        let message = "an annotation that restricts the route is not supported";
        return rejected("UnsupportedValue", message, false);
    }
    let invalid: BTreeSet<u16> = route
        .rules
        .iter()
        .filter(|rule| rule.partial || rule.is_invalid())
        .map(|rule| rule.index)
        .chain(route.broken.iter().copied())
        .collect();
    let refused = route.cost() == Cost::Refuse;
    if refused || (!invalid.is_empty() && route.rules.iter().all(RouteRule::is_invalid)) {
        // "implementations may use the IncompatibleFilters reason".
        let incompatible = !refused
            && route.broken.is_empty()
            && route
                .rules
                .iter()
                .all(|rule| rule.fault() == Some(Fault::Incompatible));
        let reason = if incompatible {
            "IncompatibleFilters"
        } else {
            "UnsupportedValue"
        };
        return rejected(reason, "no rule can be programmed as written", true);
    }
    let partial = (!invalid.is_empty()).then(|| {
        // "MUST start with the prefix "Dropped Rule" and include information about which Rules
        // have been dropped".
        let listed: Vec<_> = invalid
            .iter()
            .take(MAX_LISTED)
            .map(u16::to_string)
            .collect();
        let more = if invalid.len() > MAX_LISTED {
            " and others"
        } else {
            ""
        };
        Condition::yes("PartiallyInvalid", "UnsupportedValue").with(format!(
            "Dropped Rule: of rules {}{more} not everything can be programmed as written, see the \
             problems of the route",
            listed.join(", ")
        ))
    });
    Verdict {
        accepted: Condition::yes("Accepted", "Accepted"),
        partial,
        programmed: true,
    }
}

fn compile_rules(
    id: &Id,
    object: &Object,
    route: &Route,
    reads: &mut Reads<'_>,
    resolved: &mut Resolved,
    matches: &mut Vec<RouteMatch>,
) {
    let kind = if id.kind == Kind::GrpcRoute {
        RouteKind::GrpcRoute
    } else {
        RouteKind::HttpRoute
    };
    let named = route_object(kind, id, object);
    let none = RouteAnnotations::default();
    let annotations = route.annotations.as_deref().unwrap_or(&none);
    let mut own = Plugins::default();
    let field = || "metadata.annotations[\"konghq.com/plugins\"]".to_owned();
    own.add(
        id,
        &annotations.plugins,
        field,
        reads,
        &mut resolved.findings,
    );
    for spec in &route.rules {
        let mut plugins = own.clone();
        let mut rule = rule(id, &named, spec, &mut plugins, reads, resolved);
        if spec.fault().is_some() || plugins.missing || route.cost() == Cost::Refuse {
            rule = refusal(rule);
        } else {
            rule.plugins = plugins.into_set();
            annotations.decorate(&mut rule);
        }
        let rule = Arc::new(rule);
        matches.extend(spec.matches.iter().filter_map(|m| {
            let mut m = RouteMatch {
                methods: m.method.iter().cloned().collect(),
                headers: m.headers.to_vec(),
                queries: m.queries.to_vec(),
                ..RouteMatch::new(m.path.clone(), m.index, rule.clone())
            };
            annotations.restrict(&mut m).then_some(m)
        }));
    }
}

fn rule(
    id: &Id,
    object: &Arc<RouteObject>,
    spec: &RouteRule,
    plugins: &mut Plugins,
    reads: &mut Reads<'_>,
    resolved: &mut Resolved,
) -> Rule {
    let backends: Vec<_> = spec
        .backends
        .iter()
        .map(|backend| resolved.backend(id, spec.index, backend, reads))
        .collect();
    let field = format!("spec.rules[{}]", spec.index);
    let filters = spec.filters.as_deref();
    let names: Vec<_> = filters
        .into_iter()
        .flat_map(|spec| &spec.plugins)
        .map(|name| PluginName {
            namespace: None,
            name: name.clone(),
        })
        .collect();
    let extension = || format!("{field}.filters");
    let known = core::mem::take(&mut plugins.missing);
    plugins.add(id, &names, extension, reads, &mut resolved.findings);
    if plugins.missing {
        // "one of the Route's rules has a reference to a resource that does not exist".
        resolved.unresolved(
            "BackendNotFound",
            format!(
                "an extensionRef of {field} names a plugin that does not exist or cannot be read"
            ),
        );
    }
    plugins.missing |= known;
    plugins.add_backends(&backends, spec.index, reads, &mut resolved.findings);
    Rule {
        name: spec.name.clone(),
        backends,
        filters: resolved.filters(id, &field, filters, reads).into(),
        timeouts: spec.timeouts,
        retry: spec.retry.clone(),
        ..Rule::new(object.clone(), spec.index)
    }
}

/// The rule without all that it would do: it answers 500.
fn refusal(rule: Rule) -> Rule {
    Rule {
        name: rule.name,
        ..Rule::new(rule.object, rule.index)
    }
}
