//! Ingress -> matches.
//!
//! A path whose Service does not exist stays and goes to that Service without endpoints (503), so
//! that its requests do not fall through to a less specific path; so does a port number that the
//! Service does not have. A port name that cannot be resolved has no Service port to stand for it
//! and is answered 500. `spec.defaultBackend` is a match of its own scope, asked last of all; the
//! oldest one of the cluster wins by the rank of matches.

mod backend;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Options;
use super::certificates::{self, Claim, SecretName};
use super::classes;
use super::compiled::{Compiled, HostMatches, route_object};
use super::deps::Reads;
use super::plugins::Plugins;
use crate::object::Id;
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::annotations::Cost;
use crate::resources::annotations::route::RouteAnnotations;
use crate::resources::ingress::paths::IngressPathMatch;
use crate::resources::ingress::{Ingress, IngressBackend, IngressPath};
use crate::table::model::{
    Backend, BackendTarget, Filters, HostKey, HostPattern, PathEdit, PathMatch, Rewrite, RouteKind,
    RouteMatch, RouteObject, Rule, Scope,
};

pub(crate) use self::backend::refused;

/// One Ingress being compiled.
#[derive(Debug)]
struct Compiler<'c, 'r> {
    id: &'c Id,
    named: Arc<RouteObject>,
    annotations: &'c RouteAnnotations,
    /// Those of the Ingress itself.
    plugins: Plugins,
    reads: &'c mut Reads<'r>,
    findings: &'c mut Vec<Finding>,
    /// Paths of one rule that go to the same backend share what is made of it.
    last: Option<(&'c IngressBackend, Option<PathEdit>, Arc<Rule>)>,
}

pub(crate) fn compile(
    id: &Id,
    object: &Object,
    ingress: &Ingress,
    mut reads: Reads<'_>,
    options: &Options,
) -> Compiled {
    let mut out = Compiled {
        ours: classes::accepts_ingress(&mut reads, options, ingress),
        ..Compiled::default()
    };
    if out.ours {
        out.claims = claims(id, object, ingress, &mut reads, &mut out.findings);
        let none = RouteAnnotations::default();
        let annotations = ingress.annotations.as_deref().unwrap_or(&none);
        if annotations.cost != Cost::Drop {
            let unmarked = |path: &IngressPath| matches!(path.path, IngressPathMatch::Unmarked(_));
            let legacy = ingress.paths.iter().any(unmarked)
                && classes::parameters(options, |id| reads.object(id)).legacy_regex;
            out.hosts = Compiler {
                id,
                named: route_object(RouteKind::Ingress, id, object),
                annotations,
                plugins: Plugins::default(),
                reads: &mut reads,
                findings: &mut out.findings,
                last: None,
            }
            .compile(ingress, legacy);
        }
    }
    out.deps = reads.into_deps();
    out
}

/// The names that `spec.tls` has certificates for.
fn claims(
    id: &Id,
    object: &Object,
    ingress: &Ingress,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
) -> Box<[Claim]> {
    let mut out = Vec::new();
    for tls in &ingress.tls {
        let usable: Box<[SecretName]> =
            match certificates::secret(reads, &id.namespace, &tls.secret) {
                Ok(secret) => Box::new([secret]),
                Err(message) => {
                    findings.push(Finding::error(
                        Code::InvalidCertificateRef,
                        format!("spec.tls[{}].secretName", tls.index),
                        format!("{message}; its hosts have no certificate"),
                    ));
                    Box::default()
                }
            };
        out.extend(tls.hosts.iter().map(|(position, host)| Claim {
            sni: host.clone(),
            created: object.created,
            field: format!("spec.tls[{}].hosts[{position}]", tls.index).into(),
            secrets: Box::new([((&*id.namespace).into(), tls.secret.clone())]),
            usable: usable.clone(),
        }));
    }
    out.into()
}

// === impl Compiler ===

impl<'c> Compiler<'c, '_> {
    fn compile(mut self, ingress: &'c Ingress, legacy: bool) -> Box<[HostMatches]> {
        self.plugins.add(
            self.id,
            &self.annotations.plugins,
            || "metadata.annotations[\"konghq.com/plugins\"]".to_owned(),
            self.reads,
            self.findings,
        );
        let mut hosts: BTreeMap<HostPattern, Vec<RouteMatch>> = BTreeMap::new();
        let mut all = Vec::new();
        for path in &ingress.paths {
            let Some(m) = self.path(path, legacy) else {
                continue;
            };
            // As in KIC: with aliases, rules for any host are for the aliases alone.
            if self.annotations.host_aliases.is_empty() || path.host != HostPattern::Any {
                hosts.entry(path.host.clone()).or_default().push(m.clone());
            }
            all.push(m);
        }
        let all: Arc<[RouteMatch]> = match self.annotations.host_aliases.is_empty() {
            true => Arc::default(),
            false => all.into(),
        };
        let key = |scope, host| Arc::new(HostKey { scope, host });
        let mut out: BTreeMap<Arc<HostKey>, Arc<[RouteMatch]>> = hosts
            .into_iter()
            .map(|(host, matches)| (key(Scope::Ingress, host), matches.into()))
            .collect();
        if !all.is_empty() {
            // All aliases share one list.
            let aliases = self.annotations.host_aliases.iter();
            out.extend(aliases.map(|host| (key(Scope::Ingress, host.clone()), all.clone())));
        }
        if let Some(m) = ingress
            .default_backend
            .as_ref()
            .and_then(|b| self.default(b))
        {
            out.insert(key(Scope::IngressDefault, HostPattern::Any), [m].into());
        }
        out.into_iter().collect()
    }

    fn path(&mut self, path: &'c IngressPath, legacy: bool) -> Option<RouteMatch> {
        let place = format!("spec.rules[{}].http.paths[{}]", path.rule, path.index);
        let value = match path.path.resolve(legacy) {
            Ok(value) => value,
            Err((code, message)) => {
                let field = format!("{place}.path");
                self.findings.push(Finding::error(code, field, message));
                return None;
            }
        };
        let rule = self.rule(path.rule, &path.backend, &value, &place, ".backend");
        self.matched(value, path.index, rule)
    }

    fn default(&mut self, backend: &'c IngressBackend) -> Option<RouteMatch> {
        self.last = None;
        let everything = PathMatch::Prefix("".into());
        let rule = self.rule(0, backend, &everything, "spec.defaultBackend", "");
        self.matched(everything, 0, rule)
    }

    fn matched(&self, path: PathMatch, index: u16, rule: Arc<Rule>) -> Option<RouteMatch> {
        let mut m = RouteMatch::new(path, index, rule);
        self.annotations.restrict(&mut m).then_some(m)
    }

    fn rule(
        &mut self,
        index: u16,
        backend: &'c IngressBackend,
        path: &PathMatch,
        place: &str,
        part: &str,
    ) -> Arc<Rule> {
        let edit = match self.annotations.rewrite_of(path) {
            Ok(edit) => edit,
            Err(message) => {
                self.findings.push(Finding::error(
                    Code::InvalidAnnotation,
                    "metadata.annotations[\"konghq.com/rewrite\"]",
                    format!("{message}; requests of {place} are answered 500"),
                ));
                let plugins = self.plugins.clone();
                return self.make(index, BackendTarget::Invalid, plugins, None);
            }
        };
        if let Some((known, same, rule)) = &self.last
            && *known == backend
            && *same == edit
            && rule.index == index
        {
            return rule.clone();
        }
        let field = || format!("{place}{part}");
        let mut plugins = self.plugins.clone();
        let target = backend::target(
            self.id,
            backend,
            &mut plugins,
            self.reads,
            self.findings,
            field,
        );
        let target = match target {
            _ if plugins.missing || self.annotations.cost == Cost::Refuse => BackendTarget::Invalid,
            target => target,
        };
        let rule = self.make(index, target, plugins, edit.clone());
        self.last = Some((backend, edit, rule.clone()));
        rule
    }

    fn make(
        &self,
        index: u16,
        target: BackendTarget,
        plugins: Plugins,
        edit: Option<PathEdit>,
    ) -> Arc<Rule> {
        let mut rule = Rule {
            backends: vec![Backend::new(1, target)],
            plugins: plugins.into_set(),
            filters: Filters {
                rewrite: edit.map(|path| Rewrite {
                    hostname: None,
                    path: Some(path),
                }),
                ..Filters::default()
            }
            .into(),
            ..Rule::new(self.named.clone(), index)
        };
        self.annotations.decorate(&mut rule);
        Arc::new(rule)
    }
}
