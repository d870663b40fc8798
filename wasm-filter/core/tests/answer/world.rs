//! A table of a few rules, and requests against it.

use std::sync::Arc;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::regex::compile;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::model::{
    Anchor, Backend, BackendTarget, HostKey, HostPattern, PathMatch, RouteKind, RouteMatch,
    RouteObject, Rule, Scope, ServiceEndpoints, ServicePort, ServiceSettings,
};
use silverback_core::table::segment::SegmentView;
use silverback_core::table::store::view::{Segments, Unreadable};

/// The bytes of a table, in memory.
pub(crate) struct World(Vec<Vec<u8>>);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) host: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) tls: bool,
    pub(crate) listener: Option<u16>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Proxy(Box<OwnedPlan>, Vec<String>),
    Reply(u16, Vec<String>),
}

impl Segments for World {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let bytes = self.0.get(index as usize).map_or(&[][..], |bytes| bytes);
        SegmentView::new(kind(index), bytes).ok_or(Unreadable::Segment(index))
    }
}

impl Headers for Ask {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let mut all = self.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        judge(first.map(|(_, value)| value.as_bytes()))
    }
}

impl World {
    /// Rules of Ingress for every host, and Services.
    pub(crate) fn new(
        matches: Vec<RouteMatch>,
        services: impl IntoIterator<Item = (ServicePort, ServiceEndpoints)>,
    ) -> Self {
        let mut table = TableBuilder::new();
        let key = HostKey {
            scope: Scope::Ingress,
            host: HostPattern::Any,
        };
        table.set_host(&key, matches);
        for (service, endpoints) in services {
            table.set_service(&service, Some(&endpoints));
        }
        table.commit();
        let bytes = |index| table.segment(index).map(|s| s.bytes.clone());
        Self(
            (0..SEGMENTS)
                .map(|i| bytes(i).unwrap_or_default())
                .collect(),
        )
    }

    /// One rule, whose backend is a Service `a` with these settings and the endpoint
    /// 10.0.0.1:8080.
    pub(crate) fn one(path: PathMatch, rule: Rule, settings: ServiceSettings) -> Self {
        let matched = RouteMatch::new(path, 0, Arc::new(rule));
        Self::new(vec![matched], [(service("a"), endpoints(1, settings))])
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Seen {
        self.spin(ask, 0)
    }

    pub(crate) fn spin(&self, ask: &Ask, spin: u64) -> Seen {
        self.try_spin(ask, spin).expect("readable")
    }

    pub(crate) fn try_spin(&self, ask: &Ask, spin: u64) -> Result<Seen, Unreadable> {
        let info = RequestInfo {
            tls: ask.tls,
            host: &ask.host,
            path: &ask.target,
            method: ask.method.as_bytes(),
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: true,
            listener: ask.listener,
        };
        let mut scratch = Scratch::default();
        let answer = answer(self, 7, entry, &info, ask, Spin(spin), &mut scratch)?;
        Ok(match answer {
            Answer::Proxy => {
                let plan = OwnedPlan::decode(&scratch.plan).expect("a plan");
                let response = scratch.response.iter().map(edit).collect();
                assert!(scratch.headers.is_empty());
                Seen::Proxy(Box::new(plan), response)
            }
            Answer::Reply(reply) => {
                assert!(scratch.plan.is_empty(), "no plan beside a reply");
                let headers = scratch.headers.iter();
                let headers = headers.map(|(name, value)| format!("{name}: {value}"));
                Seen::Reply(reply.status(), headers.collect())
            }
        })
    }
}

fn edit(edit: &ResponseEdit) -> String {
    let text = String::from_utf8_lossy;
    match edit {
        ResponseEdit::Remove(name) => format!("-{name}"),
        ResponseEdit::Set(name, value) => format!("={name}: {}", text(value)),
        ResponseEdit::Add(name, value) => format!("+{name}: {}", text(value)),
    }
}

impl Seen {
    pub(crate) fn plan(self) -> OwnedPlan {
        match self {
            Self::Proxy(plan, _) => *plan,
            reply @ Self::Reply(..) => panic!("no plan: {reply:?}"),
        }
    }

    /// The upstream's path and query, the status of a reply.
    pub(crate) fn uri(self, ask: &Ask) -> String {
        match self {
            Self::Proxy(plan, _) => {
                let uri = plan.uri.unwrap_or_else(|| ask.target.clone());
                String::from_utf8_lossy(&uri).into_owned()
            }
            Self::Reply(status, _) => status.to_string(),
        }
    }

    /// The `location` of a redirect.
    pub(crate) fn location(self) -> String {
        match self {
            Self::Reply(_, headers) => {
                let found = headers.iter().find_map(|h| h.strip_prefix("location: "));
                found.unwrap_or("none").to_owned()
            }
            proxied @ Self::Proxy(..) => panic!("no reply: {proxied:?}"),
        }
    }
}

/// GET of a.test on the listener of port 80.
pub(crate) fn get(target: impl AsRef<[u8]>) -> Ask {
    Ask {
        method: "GET",
        host: b"a.test".to_vec(),
        target: target.as_ref().to_vec(),
        tls: false,
        listener: Some(80),
        headers: Vec::new(),
    }
}

pub(crate) fn service(name: &str) -> ServicePort {
    ServicePort {
        namespace: "ns".into(),
        name: name.into(),
        port: 80,
    }
}

/// 10.0.0.1:8080 and the next ones.
pub(crate) fn endpoints(count: u8, settings: ServiceSettings) -> ServiceEndpoints {
    ServiceEndpoints {
        endpoints: (1..=count).map(|n| ([10, 0, 0, n], 8080).into()).collect(),
        settings,
    }
}

/// A rule of an object of this kind with the Service `a` as its backend.
pub(crate) fn rule(kind: RouteKind) -> Rule {
    let object = RouteObject {
        kind,
        namespace: "ns".into(),
        name: "route".into(),
        created: None,
    };
    let mut rule = Rule::new(Arc::new(object), 0);
    rule.backends = vec![backend("a", 1)];
    rule
}

pub(crate) fn backend(name: &str, weight: u32) -> Backend {
    Backend::new(weight, BackendTarget::Service(service(name)))
}

/// `=/exact`, `/prefix`, `^/text`, `~/regex`.
pub(crate) fn path(text: &str) -> PathMatch {
    match text.split_at(1) {
        ("=", exact) => PathMatch::Exact(exact.into()),
        ("^", text) => PathMatch::Text(text.into()),
        ("~", regex) => {
            let regex = compile(regex, Anchor::Start, false).expect("a pattern");
            PathMatch::Regex(Arc::new(regex))
        }
        _ => PathMatch::Prefix(text.trim_end_matches('/').into()),
    }
}
