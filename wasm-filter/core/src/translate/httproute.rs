//! HTTPRoute -> matches, where it attaches, and its status.

use std::sync::Arc;

use super::Options;
use super::attach::{Attachment, Reached, attach};
use super::backends;
use super::compiled::{Compiled, route_object};
use super::deps::Reads;
use super::status::{Condition, ParentStatus, RouteStatus};
use crate::object::Id;
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::annotations::Cost;
use crate::resources::http_route::HttpRoute;
use crate::table::model::{RouteKind, RouteMatch, Rule};

pub(crate) fn compile(
    id: &Id,
    object: &Object,
    route: &HttpRoute,
    mut reads: Reads<'_>,
    _options: &Options,
) -> Compiled {
    let mut out = Compiled::default();
    let mut reached = Reached::default();
    if route.parents.is_empty() {
        out.findings.push(Finding::warning(
            Code::ParentNotFound,
            "spec.parentRefs",
            "the route has no parent and is not reachable",
        ));
    }
    let hostnames = route.hostnames.as_deref();
    let attachments: Vec<_> = route
        .parents
        .iter()
        .map(|parent| {
            (
                parent,
                attach(id, parent, hostnames, &mut reads, &mut reached),
            )
        })
        .collect();
    let known = |a: &Attachment| matches!(a, Attachment::Attached | Attachment::Refused(..));
    let status = attachments.iter().any(|(_, a)| known(a));
    // A parent that does not exist is nobody's; who else should tell it?
    out.ours = status
        || route.parents.is_empty()
        || attachments
            .iter()
            .any(|(_, a)| matches!(a, Attachment::Missing(_)));
    let mut unresolved = None;
    let mut matches = Vec::new();
    if status {
        compile_rules(
            id,
            object,
            route,
            &mut reads,
            &mut out,
            &mut unresolved,
            &mut matches,
        );
    }
    let unusable = unusable(route, &matches);
    let mut parents = Vec::new();
    for (parent, attachment) in attachments {
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
            Attachment::Attached => match unusable {
                Some(message) => Condition::no("Accepted", "UnsupportedValue", message),
                None => Condition::yes("Accepted", "Accepted"),
            },
        };
        let resolved = unresolved
            .clone()
            .unwrap_or_else(|| Condition::yes("ResolvedRefs", "ResolvedRefs"));
        let mut conditions = vec![accepted, resolved];
        if route.partial && unusable.is_none() {
            conditions.push(Condition::yes("PartiallyInvalid", "UnsupportedValue").with(
                "Dropped Rule: some rules or matches cannot be programmed as written, see the \
                 problems of the route",
            ));
        }
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
    if unusable.is_none() {
        out.attached = reached.listeners.into_iter().collect();
        if !matches.is_empty() {
            let matches: Arc<[RouteMatch]> = matches.into();
            out.hosts = reached
                .hosts
                .into_iter()
                .map(|key| (Arc::new(key), matches.clone()))
                .collect();
        }
    }
    out.deps = reads.into_deps();
    out
}

/// Why nothing of the route can be programmed as written.
fn unusable(route: &HttpRoute, matches: &[RouteMatch]) -> Option<&'static str> {
    let no_host = route
        .hostnames
        .as_ref()
        .is_some_and(|hosts| hosts.is_empty());
    if no_host {
        Some("no hostname is valid")
    } else if route.cost == Cost::Drop {
        Some("an annotation that restricts the route is not supported")
    } else if matches.is_empty() && route.partial {
        Some("no match can be programmed as written")
    } else {
        None
    }
}

fn compile_rules(
    id: &Id,
    object: &Object,
    route: &HttpRoute,
    reads: &mut Reads<'_>,
    out: &mut Compiled,
    unresolved: &mut Option<Condition>,
    matches: &mut Vec<RouteMatch>,
) {
    let named = route_object(RouteKind::HttpRoute, id, object);
    for spec in &route.rules {
        let mut backends: Vec<_> = spec
            .backends
            .iter()
            .map(|b| backends::resolve(id, spec.index, b, reads, &mut out.findings, unresolved))
            .collect();
        if spec.refused || route.cost == Cost::Refuse {
            backends.clear();
        }
        let rule = Arc::new(Rule {
            backends,
            ..Rule::new(named.clone(), spec.index)
        });
        matches.extend(spec.matches.iter().map(|m| RouteMatch {
            methods: m.method.iter().cloned().collect(),
            headers: m.headers.to_vec(),
            ..RouteMatch::new(m.path.clone(), m.index, rule.clone())
        }));
    }
}
