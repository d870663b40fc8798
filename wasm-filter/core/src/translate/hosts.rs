//! The routes of each host, gathered from all objects, and who loses to whom there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compiled::Compiled;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::route::rank::Rank;
use crate::table::model::{
    HeaderMatch, HostKey, HostPattern, PathMatch, QueryMatch, RouteMatch, SchemeMatch, Scope,
};

/// Who contributes to which host, and what is lost there.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    contributors: BTreeSet<(Arc<HostKey>, Id)>,
    losers: BTreeMap<Id, BTreeMap<Arc<HostKey>, Vec<Finding>>>,
    losers_of: BTreeSet<(Arc<HostKey>, Id)>,
}

/// What a match asks of a request; two with the same need cannot both be in effect.
type Need<'a> = (
    &'a PathMatch,
    &'a [Box<str>],
    &'a [HeaderMatch],
    &'a [QueryMatch],
    &'a [HostPattern],
    SchemeMatch,
);

// === impl Hosts ===

impl Hosts {
    pub(crate) fn add(&mut self, key: &Arc<HostKey>, id: &Id) {
        self.contributors.insert((key.clone(), id.clone()));
    }

    pub(crate) fn remove(&mut self, key: &Arc<HostKey>, id: &Id) {
        self.contributors.remove(&(key.clone(), id.clone()));
    }

    /// All matches of a host. Notes the losers; adds those for whom that changed to `changed`.
    pub(crate) fn gather(
        &mut self,
        key: &Arc<HostKey>,
        compiled: &BTreeMap<Id, Compiled>,
        changed: &mut BTreeSet<Id>,
    ) -> Vec<RouteMatch> {
        let mut all: Vec<(&Id, &RouteMatch)> = Vec::new();
        for (_, id) in of_host(&self.contributors, key) {
            let matches = compiled.get(id).and_then(|c| c.of_host(key));
            all.extend(matches.into_iter().flat_map(|m| m.iter()).map(|m| (id, m)));
        }
        let mut lost = lost(key, &all);
        if key.scope == Scope::IngressDefault {
            // "Across the whole cluster only the oldest Ingress with a defaultBackend" has one
            // (kic-map 2.2), whatever its annotations ask of a request.
            all.retain(|(id, _)| !lost.contains_key(id));
        }
        let matches = all.into_iter().map(|(_, m)| m.clone()).collect();
        let before: Vec<Id> = of_host(&self.losers_of, key)
            .map(|(_, id)| id.clone())
            .collect();
        for id in before {
            if !lost.contains_key(&id) {
                self.losers_of.remove(&(key.clone(), id.clone()));
                if let Some(hosts) = self.losers.get_mut(&id) {
                    hosts.remove(key);
                    if hosts.is_empty() {
                        self.losers.remove(&id);
                    }
                }
                changed.insert(id);
            }
        }
        while let Some((id, findings)) = lost.pop_first() {
            let hosts = self.losers.entry(id.clone()).or_default();
            if hosts.get(key) != Some(&findings) {
                hosts.insert(key.clone(), findings);
                self.losers_of.insert((key.clone(), id.clone()));
                changed.insert(id);
            }
        }
        matches
    }

    /// What an object loses, by host.
    pub(crate) fn lost_by(&self, id: &Id) -> impl Iterator<Item = &Finding> {
        self.losers
            .get(id)
            .into_iter()
            .flat_map(|hosts| hosts.values().flatten())
    }
}

fn of_host<'a>(
    set: &'a BTreeSet<(Arc<HostKey>, Id)>,
    key: &'a Arc<HostKey>,
) -> impl Iterator<Item = &'a (Arc<HostKey>, Id)> {
    let first = Id {
        kind: Kind::IngressClass,
        namespace: "".into(),
        name: "".into(),
    };
    set.range((key.clone(), first)..)
        .take_while(move |(other, _)| other == key)
}

/// The matches that another match with the same need comes before, told to their objects.
fn lost(key: &HostKey, all: &[(&Id, &RouteMatch)]) -> BTreeMap<Id, Vec<Finding>> {
    let mut out: BTreeMap<Id, Vec<Finding>> = BTreeMap::new();
    if all.len() < 2 {
        return out;
    }
    if key.scope == Scope::IngressDefault {
        return not_oldest(key, all);
    }
    let mut sorted: Vec<(Need<'_>, Rank<'_>, &(&Id, &RouteMatch))> = all
        .iter()
        .map(|entry| (need(entry.1), Rank::of(entry.1), entry))
        .collect();
    sorted.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut winner: Option<(&Need<'_>, &Id, &RouteMatch)> = None;
    for (need, _, (id, m)) in &sorted {
        match winner {
            Some((won, by, first)) if won == need => {
                let findings = out.entry((*id).clone()).or_default();
                // All of one object's matches may be lost; a few say it.
                if findings.len() < 10 {
                    findings.push(conflict(key, id, m, by, first));
                }
            }
            _ => winner = Some((need, id, m)),
        }
    }
    out
}

/// All but those of the oldest object.
fn not_oldest(key: &HostKey, all: &[(&Id, &RouteMatch)]) -> BTreeMap<Id, Vec<Finding>> {
    let mut out: BTreeMap<Id, Vec<Finding>> = BTreeMap::new();
    let Some((by, first)) = all.iter().min_by_key(|(_, m)| Rank::of(m).age()) else {
        return out;
    };
    for (id, m) in all.iter().filter(|(id, _)| id != by) {
        let findings = out.entry((*id).clone()).or_default();
        findings.push(conflict(key, id, m, by, first));
    }
    out
}

fn need(m: &RouteMatch) -> Need<'_> {
    (
        &m.path, &m.methods, &m.headers, &m.queries, &m.snis, m.scheme,
    )
}

fn conflict(key: &HostKey, id: &Id, m: &RouteMatch, by: &Id, first: &RouteMatch) -> Finding {
    let owner = if by == id {
        "this object".to_owned()
    } else {
        by.to_string()
    };
    let place = place(key, by, first);
    let own = self::place(key, id, m);
    if key.scope == Scope::IngressDefault {
        let message = format!("the default backend is that of {owner}, which comes first");
        return Finding::warning(Code::ConflictingDefaultBackend, own, message);
    }
    let message = format!(
        "requests for host {} are served by {place} of {owner}, which comes first",
        key.host
    );
    if id.kind == Kind::Ingress {
        Finding::warning(Code::ConflictingPath, own, message)
    } else {
        // Routes that share a match are legal: the specification says who serves it.
        Finding::info(Code::ConflictingPath, own, message)
    }
}

/// The field that a match was written in.
fn place(key: &HostKey, id: &Id, m: &RouteMatch) -> String {
    let (rule, index) = (m.rule.index, m.index);
    match (&key.scope, id.kind) {
        (Scope::IngressDefault, _) => "spec.defaultBackend".to_owned(),
        (_, Kind::Ingress) => format!("spec.rules[{rule}].http.paths[{index}]"),
        _ => format!("spec.rules[{rule}].matches[{index}]"),
    }
}
