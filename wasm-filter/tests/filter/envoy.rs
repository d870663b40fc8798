//! The contract in Envoy: what is read, what is ordered, what is refused. The same in the real .wasm, with
//! the emulator as the ABI says it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

use silverback_core::contract::plan::{Deadlines, Mirror, Plan, Protocol, RetryOn, UpstreamTls};
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::{Outcome, PlanResult};
use silverback_emulator::{Exchange, Properties, Worker, WorkerOptions};
use silverback_filter::envoy::{self, Calls};

use crate::harness::usual;
use crate::support::runtime::filter;

/// A request in Envoy.
#[derive(Default)]
struct Fake {
    properties: Vec<([&'static str; 2], Vec<u8>)>,
    headers: RefCell<Vec<(String, String)>>,
    refused: RefCell<bool>,
    /// Calls that change headers, and the one of them that is not done.
    changes: Cell<usize>,
    fails: Option<usize>,
}

impl Fake {
    fn new(headers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let usual = [
            (":authority", "a.test"),
            (":path", "/x"),
            (":method", "GET"),
        ];
        let headers = usual.iter().chain(headers).map(owned).collect();
        Self {
            properties: vec![
                (["destination", "port"], 8000_i64.to_le_bytes().to_vec()),
                (["source", "address"], b"192.0.2.1:4711".to_vec()),
            ],
            headers: RefCell::new(headers),
            ..Self::default()
        }
    }

    fn with(mut self, name: [&'static str; 2], value: impl Into<Vec<u8>>) -> Self {
        self.properties.retain(|(known, _)| *known != name);
        self.properties.push((name, value.into()));
        self
    }

    /// Counts a change; false if it is the one that fails.
    fn change(&self) -> bool {
        self.changes.set(self.changes.get() + 1);
        self.fails != Some(self.changes.get())
    }

    fn values(&self, name: &str) -> Vec<String> {
        let headers = self.headers.borrow();
        let found = headers.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).collect()
    }
}

impl Calls for Fake {
    fn property(&self, path: [&str; 2]) -> Option<Vec<u8>> {
        let found = self.properties.iter().find(|(known, _)| *known == path);
        found.map(|(_, value)| value.clone())
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.values(name)
            .first()
            .map(|value| value.clone().into_bytes())
    }

    fn remove_header(&self, name: &str) -> bool {
        let done = self.change();
        if done {
            self.headers.borrow_mut().retain(|(known, _)| known != name);
        }
        done
    }

    fn add_header(&self, name: &str, value: &[u8]) -> bool {
        let done = self.change();
        if done {
            let value = String::from_utf8_lossy(value).into_owned();
            self.headers.borrow_mut().push((name.to_owned(), value));
        }
        done
    }

    fn replace_header(&self, name: &str, value: &[u8]) -> bool {
        self.remove_header(name) && self.add_header(name, value)
    }

    fn refuse(&self) {
        *self.refused.borrow_mut() = true;
    }
}

fn endpoints() -> Vec<SocketAddr> {
    vec![([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 80).into()]
}

fn encoded(plan: &Plan<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    plan.encode(&mut bytes).expect("a plan");
    bytes
}

#[test]
fn a_request_of_which_envoy_did_not_change_all_goes_nowhere() {
    let endpoints = endpoints();
    let plan = encoded(&Plan {
        protocol: Protocol::H2c,
        host: Some(b"b.test"),
        uri: Some(b"/y"),
        remove_headers: &[b"x-removed"],
        deadlines: Deadlines {
            request: 100,
            attempt: 0,
        },
        ..Plan::to(1, 1, &endpoints)
    });
    let fake = |fails| Fake {
        fails,
        ..Fake::new(&[(envoy::DESTINATION, "169.254.169.254:80")])
    };
    let whole = fake(None);
    assert!(envoy::carry_out(&plan, &whole));
    assert_eq!(whole.values(envoy::DESTINATION), ["10.0.0.1:80"]);
    assert!(whole.changes.get() > 8);
    for fails in 1..=whole.changes.get() {
        let fake = fake(Some(fails));
        assert!(!envoy::carry_out(&plan, &fake), "change {fails}");
        assert!(*fake.refused.borrow());
    }
}

#[test]
fn a_request_is_read_of_headers_and_properties() {
    let plain = envoy::request(&Fake::new(&[])).expect("a request");
    let expected = RequestInfo {
        port: 8000,
        host: b"a.test",
        path: b"/x",
        method: b"GET",
        source: b"192.0.2.1",
        ..RequestInfo::default()
    };
    assert_eq!(RequestInfo::decode(&plain), Ok(expected));

    let tls = Fake::new(&[])
        .with(["connection", "tls_version"], "TLSv1.3")
        .with(["connection", "requested_server_name"], "sni.test")
        .with(["source", "address"], "[2001:db8::1]:4711");
    let tls = envoy::request(&tls).expect("a request");
    let tls = RequestInfo::decode(&tls).expect("a request");
    assert!(tls.tls);
    assert_eq!(
        (tls.sni, tls.source),
        (&b"sni.test"[..], &b"2001:db8::1"[..])
    );
}

#[test]
fn a_request_without_a_port_is_none() {
    let fake = Fake::new(&[]).with(["destination", "port"], "80");
    assert_eq!(envoy::request(&fake), None);
    let fake = Fake::new(&[]).with(["destination", "port"], 70_000_i64.to_le_bytes());
    assert_eq!(envoy::request(&fake), None);
}

#[test]
fn a_plan_becomes_headers_and_a_client_s_own_are_gone() {
    let fake = Fake::new(&[
        ("x-envoy-original-dst-host", "169.254.169.254:80"),
        ("x-envoy-original-dst-host", "10.9.9.9:80"),
        ("x-silverback-protocol", "h2"),
        ("x-set", "1"),
        ("x-set", "2"),
        ("x-gone", "1"),
        ("x-gone", "2"),
        ("x-add", "1"),
    ]);
    let endpoints = endpoints();
    let plan = Plan {
        host: Some(b"other.test"),
        uri: Some(b"/y?q=1"),
        remove_headers: &[b"x-gone"],
        set_headers: &[(b"x-set", b"3")],
        add_headers: &[(b"x-add", b"2")],
        tries: 3,
        ..Plan::to(1, 2, &endpoints)
    };
    assert!(envoy::carry_out(&encoded(&plan), &fake));
    for (name, expected) in [
        ("x-envoy-original-dst-host", &["10.0.0.1:80"][..]),
        ("x-silverback-protocol", &[]),
        (":authority", &["other.test"]),
        (":path", &["/y?q=1"]),
        ("x-set", &["3"]),
        ("x-gone", &[]),
        ("x-add", &["1", "2"]),
        ("x-envoy-upstream-rq-timeout-ms", &[]),
    ] {
        assert_eq!(fake.values(name), expected, "{name}");
    }
}

#[test]
fn protocols_choose_the_cluster_and_deadlines_are_envoy_s_timeout() {
    let endpoints = vec![SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80))];
    for protocol in [Protocol::H2c, Protocol::Grpc] {
        let fake = Fake::new(&[]);
        let plan = Plan {
            protocol,
            deadlines: Deadlines {
                request: 300,
                attempt: 200,
            },
            ..Plan::to(1, 2, &endpoints)
        };
        assert!(envoy::carry_out(&encoded(&plan), &fake));
        assert_eq!(fake.values("x-silverback-protocol"), ["h2"]);
        assert_eq!(fake.values("x-envoy-upstream-rq-timeout-ms"), ["200"]);
        assert_eq!(
            fake.values("x-envoy-original-dst-host"),
            ["[2001:db8::1]:80"]
        );
    }
}

#[test]
fn what_envoy_cannot_do_is_refused_and_nothing_is_ordered() {
    let endpoints = endpoints();
    let tls = UpstreamTls {
        policy: 7,
        server_name: b"",
    };
    let plain = Plan::to(1, 2, &endpoints);
    let mut unknown = encoded(&plain);
    unknown.extend_from_slice(&[99, 0, 0]);
    let mut cut = encoded(&plain);
    cut.pop();
    for (name, plan) in [
        (
            "TLS",
            encoded(&Plan {
                protocol: Protocol::Https,
                ..plain.clone()
            }),
        ),
        (
            "gRPC with TLS",
            encoded(&Plan {
                protocol: Protocol::Grpcs,
                ..plain.clone()
            }),
        ),
        (
            "a policy",
            encoded(&Plan {
                protocol: Protocol::Https,
                tls: Some(tls),
                ..plain.clone()
            }),
        ),
        (
            "plugins",
            encoded(&Plan {
                plugin_set: 1,
                ..plain.clone()
            }),
        ),
        ("an unknown field", unknown),
        ("a plan that is cut", cut),
        ("nothing", Vec::new()),
    ] {
        let fake = Fake::new(&[("x-envoy-original-dst-host", "10.9.9.9:80")]);
        let before = fake.headers.borrow().clone();
        assert!(!envoy::carry_out(&plan, &fake), "{name}");
        assert!(*fake.refused.borrow(), "{name}");
        assert_eq!(*fake.headers.borrow(), before, "{name}");
    }
}

#[test]
fn mirrors_and_retries_are_left_to_envoy() {
    let endpoints = endpoints();
    let mirror = Mirror {
        protocol: Protocol::Http,
        endpoints: &endpoints,
    };
    let plan = Plan {
        retry: Some(RetryOn {
            backoff: 5,
            codes: &[503],
        }),
        mirrors: &[mirror],
        route_name: b"r",
        ..Plan::to(1, 2, &endpoints)
    };
    assert!(envoy::carry_out(&encoded(&plan), &Fake::new(&[])));
}

#[test]
fn the_result_is_read_of_envoy_s_flags() {
    for (flags, code, status, outcome) in [
        (0, 200, 200, Outcome::Answered),
        (0, 503, 503, Outcome::Answered),
        (1 << 5, 503, 503, Outcome::Failed),
        (1 << 6, 503, 503, Outcome::Failed),
        (1 << 2, 504, 504, Outcome::TimedOut),
        (1 << 14, 0, 499, Outcome::Answered),
    ] {
        let fake = Fake::new(&[])
            .with(["response", "code"], i64::to_le_bytes(code))
            .with(["response", "flags"], i64::to_le_bytes(flags));
        let result = envoy::result(&fake).expect("a result");
        let result = PlanResult::decode(&result).expect("a result");
        assert_eq!(result.status, status, "{flags}");
        assert_eq!(result.tries.len(), 1);
        assert_eq!(
            (result.tries[0].endpoint, result.tries[0].outcome),
            (0, outcome)
        );
    }
    assert_eq!(envoy::result(&Fake::new(&[])), None);
}

#[test]
fn the_module_does_it_with_real_host_calls() {
    let options = WorkerOptions {
        strict: false,
        configuration: br#"{"dataPlane":"envoy","ports":[{"port":8000,"ingress":true}]}"#.to_vec(),
        ..WorkerOptions::default()
    };
    let mut worker = Worker::start(filter(), usual(), options).expect("starts");
    for (host, path, expected) in [
        ("any.test", "/x", Some("10.0.0.")),
        ("a.test", "/api", Some("10.0.0.")),
        ("unknown.test", "/x", None),
    ] {
        let mut properties = Properties::new();
        properties.set("destination.port", 8000_i64.to_le_bytes());
        properties.set("source.address", "192.0.2.1:4711");
        let mut exchange = Exchange::new("GET", path)
            .header("host", host)
            .header("x-envoy-original-dst-host", "10.9.9.9:80")
            .properties(properties);
        let id = worker.open().expect("no trap");
        worker
            .on_request_headers(id, &mut exchange)
            .expect("no trap");
        let destination = exchange.request_headers.get("x-envoy-original-dst-host");
        let destination = destination.map(|value| String::from_utf8_lossy(value).into_owned());
        match expected {
            Some(expected) => {
                let destination = destination.expect(host);
                assert!(destination.starts_with(expected), "{host}: {destination}");
                assert_eq!(exchange.local_response, None, "{host}");
            }
            None => assert_eq!(exchange.local_response.as_ref().expect(host).status, 404),
        }
        worker.close(id, &mut exchange).ok();
    }
}
