//! Objects, and requests against what is made of them.

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::problem::Problem;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::layout::kind;
use silverback_core::table::segment::SegmentView;
use silverback_core::table::store::view::{Segments, Unreadable};
use silverback_core::translate::{Options, Translator};

use crate::translate_support::{any_class, yaml};

/// A translator with everything committed.
pub(crate) struct World(pub(crate) Translator);

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) tls: bool,
    pub(crate) sni: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// The port of a Gateway's listener; `None`: Ingress.
    pub(crate) listener: Option<u16>,
    pub(crate) spin: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Plan(Box<OwnedPlan>),
    Status(u16),
}

impl Segments for World {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let segment = self.0.table().segment(index);
        let bytes = segment.map_or(&[][..], |segment| &segment.bytes);
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
    pub(crate) fn of(text: &str) -> Self {
        Self::with(any_class(), text)
    }

    pub(crate) fn with(options: Options, text: &str) -> Self {
        let mut world = Self(Translator::new(options));
        world.apply(text);
        world
    }

    pub(crate) fn apply(&mut self, text: &str) {
        for object in yaml(text) {
            self.0.apply(object.to_string().as_bytes());
        }
        self.0.commit();
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Seen {
        let info = RequestInfo {
            tls: ask.tls,
            host: ask.host.as_bytes(),
            path: ask.path.as_bytes(),
            method: ask.method.as_bytes(),
            sni: ask.sni.as_bytes(),
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: ask.listener.is_none(),
            listener: ask.listener,
        };
        let mut scratch = Scratch::default();
        match answer(self, 7, entry, &info, ask, Spin(ask.spin), &mut scratch).expect("readable") {
            Answer::Proxy => {
                Seen::Plan(Box::new(OwnedPlan::decode(&scratch.plan).expect("a plan")))
            }
            Answer::Reply(reply) => Seen::Status(reply.status()),
        }
    }

    /// The Service that a GET goes to, or the status of the gateway's own answer.
    pub(crate) fn get(&self, host: &str, path: &str) -> String {
        self.ask(&get(host, path)).service()
    }

    /// `Kind name Code field` of all problems, sorted.
    pub(crate) fn codes(&self) -> Vec<String> {
        let lists = self.0.problems();
        lists
            .flat_map(|(_, list)| list)
            .map(|p| format!("{} {} {} {}", p.object.kind, p.object.name, p.code, p.field))
            .collect()
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        self.0
            .problems()
            .flat_map(|(_, list)| list.to_vec())
            .collect()
    }

    pub(crate) fn entities(&self) -> Vec<String> {
        self.0.entities().map(|(_, json)| json.to_owned()).collect()
    }
}

impl Seen {
    /// The Service's name, or the status.
    pub(crate) fn service(&self) -> String {
        match self {
            Self::Plan(plan) => {
                let name = String::from_utf8_lossy(&plan.service_name);
                name.split('.').nth(1).unwrap_or_default().to_owned()
            }
            Self::Status(status) => status.to_string(),
        }
    }

    pub(crate) fn plan(self) -> OwnedPlan {
        match self {
            Self::Plan(plan) => *plan,
            Self::Status(status) => panic!("no plan: {status}"),
        }
    }

    /// The upstream's path, or the status.
    pub(crate) fn uri(self, ask: &Ask) -> String {
        match self {
            Self::Plan(plan) => {
                let uri = plan.uri.unwrap_or_else(|| ask.path.clone().into_bytes());
                String::from_utf8_lossy(&uri).into_owned()
            }
            Self::Status(status) => status.to_string(),
        }
    }

    pub(crate) fn endpoints(self) -> Vec<String> {
        match self {
            Self::Plan(plan) => {
                let mut all: Vec<_> = plan.endpoints.iter().map(ToString::to_string).collect();
                all.sort();
                all
            }
            Self::Status(status) => vec![status.to_string()],
        }
    }
}

pub(crate) fn get(host: &str, path: &str) -> Ask {
    Ask {
        method: "GET",
        host: host.to_owned(),
        path: path.to_owned(),
        ..Ask::default()
    }
}

/// A Service with a port `http` and this many pods.
pub(crate) fn service(name: &str, pods: u8) -> String {
    let endpoints: Vec<_> = (1..=pods)
        .map(|n| format!("{{addresses: [10.0.0.{n}]}}"))
        .collect();
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80, targetPort: web}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

/// A path of a rule: type, path and Service with port 80.
pub(crate) fn path(kind: &str, path: &str, service: &str) -> String {
    format!(
        "{{path: '{path}', pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
    )
}

/// An Ingress of one rule for any host.
pub(crate) fn ingress(name: &str, annotations: &str, paths: &[String]) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec: {{rules: [{{http: {{paths: [{}]}}}}]}}
",
        paths.join(", ")
    )
}
