//! The calls by themselves: what is read, what is set, what is refused.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;

use silverback_core::contract::plan::{Deadlines, Mirror, Plan, Protocol, RetryOn, UpstreamTls};
use silverback_core::contract::request::RequestInfo;
use silverback_filter::minimal::{self, Calls};
use silverback_filter::proxy::NotAnswered;

/// A request in Kong.
#[derive(Default)]
struct Fake {
    properties: RefCell<Vec<(String, Vec<u8>)>>,
    headers: RefCell<Vec<(String, Vec<u8>)>>,
    /// Properties that were set, in this order.
    set: RefCell<Vec<String>>,
    refused: Cell<bool>,
    /// Adding replaces, as with the headers that nginx itself knows.
    one_line: bool,
    /// Calls that may fail, and the one of them that does.
    calls: Cell<usize>,
    fails: Option<usize>,
}

impl Fake {
    fn new(headers: &[(&str, &str)]) -> Self {
        let fake = Self::default();
        for (name, value) in [
            ("ngx.request_uri", "/a%2Fb?q=1"),
            ("ngx.request_method", "GET"),
            ("ngx.scheme", "http"),
            ("ngx.server_port", "8000"),
            ("ngx.remote_addr", "192.0.2.1"),
        ] {
            fake.put(name, value.as_bytes());
        }
        let headers = [("host", "a.test")].iter().chain(headers);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        fake.headers.borrow_mut().extend(headers.map(owned));
        fake
    }

    fn with(self, name: &str, value: &str) -> Self {
        self.put(name, value.as_bytes());
        self
    }

    fn without(self, name: &str) -> Self {
        self.properties
            .borrow_mut()
            .retain(|(known, _)| known != name);
        self
    }

    fn put(&self, name: &str, value: &[u8]) {
        let mut properties = self.properties.borrow_mut();
        properties.retain(|(known, _)| known != name);
        properties.push((name.to_owned(), value.to_vec()));
    }

    fn lines(&self, name: &str) -> Vec<Vec<u8>> {
        let headers = self.headers.borrow();
        let found = headers.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).collect()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.property(name).unwrap_or_default()).expect("text")
    }

    /// Counts a call; not done if it is the one that fails.
    fn call(&self) -> Result<(), NotAnswered> {
        self.calls.set(self.calls.get() + 1);
        if self.fails == Some(self.calls.get()) {
            return Err(NotAnswered);
        }
        Ok(())
    }
}

impl Calls for Fake {
    fn property(&self, name: &str) -> Option<Vec<u8>> {
        if let Some(variable) = name.strip_prefix("ngx.http_") {
            let lines = self.lines(&variable.replace('_', "-"));
            return (!lines.is_empty()).then(|| lines.join(&b", "[..]));
        }
        let properties = self.properties.borrow();
        let found = properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        self.call()?;
        self.set.borrow_mut().push(name.to_owned());
        if name == minimal::TARGET {
            let colon = value.iter().rposition(|byte| *byte == b':');
            self.put(minimal::HOST, &value[..colon.expect("a port")]);
        }
        self.put(name, value);
        Ok(())
    }

    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered> {
        self.call()?;
        Ok(self.lines(name).first().cloned())
    }

    fn set_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        self.call()?;
        let mut headers = self.headers.borrow_mut();
        match headers.iter_mut().find(|(known, _)| known == name) {
            Some((_, first)) => *first = value.to_vec(),
            None => headers.push((name.to_owned(), value.to_vec())),
        }
        Ok(())
    }

    fn add_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        if self.one_line {
            return self.set_header(name, value);
        }
        self.call()?;
        let header = (name.to_owned(), value.to_vec());
        self.headers.borrow_mut().push(header);
        Ok(())
    }

    fn refuse(&self) {
        self.refused.set(true);
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
fn a_request_is_read_of_nginx_s_variables_as_the_client_sent_it() {
    let plain = minimal::request(&Fake::new(&[])).expect("a request");
    let expected = RequestInfo {
        port: 8000,
        host: b"a.test",
        path: b"/a%2Fb?q=1",
        method: b"GET",
        source: b"192.0.2.1",
        ..RequestInfo::default()
    };
    assert_eq!(RequestInfo::decode(&plain), Ok(expected));

    let tls = Fake::new(&[])
        .with("ngx.scheme", "https")
        .with("ngx.server_port", "8443")
        .with("ngx.ssl_server_name", "sni.test")
        .with("ngx.remote_addr", "unix:");
    let tls = minimal::request(&tls).expect("a request");
    let tls = RequestInfo::decode(&tls).expect("a request");
    assert!(tls.tls);
    assert_eq!((tls.port, tls.sni), (8443, &b"sni.test"[..]));
    assert_eq!(tls.source, b"", "a socket's file is no address");
}

#[test]
fn a_request_of_which_something_is_not_known_is_none() {
    for name in [
        "ngx.request_uri",
        "ngx.request_method",
        "ngx.scheme",
        "ngx.server_port",
    ] {
        let fake = Fake::new(&[]).without(name);
        assert_eq!(minimal::request(&fake), None, "{name}");
    }
    for port in ["", "http", "65536", "-1"] {
        let fake = Fake::new(&[]).with("ngx.server_port", port);
        assert_eq!(minimal::request(&fake), None, "{port}");
    }
    let fake = Fake {
        fails: Some(1),
        ..Fake::new(&[])
    };
    assert_eq!(minimal::request(&fake), None, "not the client's Host");
}

#[test]
fn a_plan_becomes_kong_s_properties_and_the_host_is_set_after_the_target() {
    let endpoints = endpoints();
    let mirror = Mirror {
        protocol: Protocol::Http,
        endpoints: &endpoints,
    };
    let plan = Plan {
        host: Some(b"b.test"),
        uri: Some(b"/y?q=1"),
        set_headers: &[(b"x-set", b"3"), (b"x-new", b"4")],
        add_headers: &[(b"x-add", b"2"), (b"x-more", b"5")],
        remove_headers: &[b"x-nobody-sent"],
        // What Kong's configuration says, or nobody.
        tries: 3,
        deadlines: Deadlines {
            request: 300,
            attempt: 200,
        },
        retry: Some(RetryOn {
            backoff: 5,
            codes: &[503],
        }),
        mirrors: &[mirror],
        route_name: b"r",
        ..Plan::to(1, 2, &endpoints)
    };
    let fake = Fake::new(&[("x-set", "1"), ("x-add", "1")]);
    assert!(minimal::carry_out(&encoded(&plan), &fake));
    assert!(!fake.refused.get());
    for (name, expected) in [
        (minimal::SCHEME, "http"),
        (minimal::TARGET, "10.0.0.1:80"),
        (minimal::HOST, "b.test"),
        (minimal::URI, "/y?q=1"),
        ("ngx.http_x_set", "3"),
        ("ngx.http_x_new", "4"),
        ("ngx.http_x_add", "1, 2"),
        ("ngx.http_x_more", "5"),
    ] {
        assert_eq!(fake.text(name), expected, "{name}");
    }
    let set = fake.set.borrow();
    let at = |name| set.iter().position(|known| known == name);
    assert!(at(minimal::TARGET) < at(minimal::HOST));
}

#[test]
fn without_a_host_in_the_plan_the_upstream_sees_the_client_s_and_kong_s_path() {
    let fake = Fake::new(&[]);
    let endpoints = [SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 8080))];
    assert!(minimal::carry_out(
        &encoded(&Plan::to(1, 2, &endpoints)),
        &fake
    ));
    assert_eq!(fake.text(minimal::TARGET), "[2001:db8::1]:8080");
    assert_eq!(fake.text(minimal::HOST), "a.test");
    assert_eq!(fake.property(minimal::URI), None);
}

#[test]
fn a_request_without_a_host_for_its_upstream_is_refused() {
    let endpoints = endpoints();
    let fake = Fake::new(&[]);
    fake.headers.borrow_mut().clear();
    assert!(!minimal::carry_out(
        &encoded(&Plan::to(1, 2, &endpoints)),
        &fake
    ));
    assert!(fake.refused.get() && fake.set.borrow().is_empty());
}

#[test]
fn https_without_a_policy_is_kong_s_https_if_its_server_name_is_the_host_s() {
    let endpoints = endpoints();
    for (server_name, host, expected) in [
        ("", "10.0.0.9", true),
        ("b.test", "b.test", true),
        ("b.test", "B.test:8443", true),
        ("b.test", "c.test", false),
        ("b.test", "b.test.evil", false),
        ("b.test", "b", false),
    ] {
        let plan = Plan {
            protocol: Protocol::Https,
            host: Some(host.as_bytes()),
            tls: Some(UpstreamTls {
                policy: 0,
                server_name: server_name.as_bytes(),
            }),
            ..Plan::to(1, 2, &endpoints)
        };
        let fake = Fake::new(&[]);
        let done = minimal::carry_out(&encoded(&plan), &fake);
        assert_eq!(done, expected, "{server_name}, {host}");
        let scheme = if expected { "https" } else { "" };
        assert_eq!(fake.text(minimal::SCHEME), scheme);
    }
}

#[test]
fn what_stock_kong_cannot_do_is_refused_and_goes_nowhere() {
    let endpoints = endpoints();
    let plain = Plan::to(1, 2, &endpoints);
    let mut unknown = encoded(&plain);
    unknown.extend_from_slice(&[99, 0, 0]);
    let mut cut = encoded(&plain);
    cut.pop();
    let speaking = |protocol| {
        encoded(&Plan {
            protocol,
            ..plain.clone()
        })
    };
    let removing = |name: &[u8]| {
        encoded(&Plan {
            remove_headers: &[name],
            ..plain.clone()
        })
    };
    let setting = |name: &[u8], value: &[u8]| {
        encoded(&Plan {
            set_headers: &[(name, value)],
            ..plain.clone()
        })
    };
    let to_uri = |uri: &[u8]| {
        encoded(&Plan {
            uri: Some(uri),
            ..plain.clone()
        })
    };
    let to_host = |host: &[u8]| {
        encoded(&Plan {
            host: Some(host),
            ..plain.clone()
        })
    };
    let policy = encoded(&Plan {
        protocol: Protocol::Https,
        tls: Some(UpstreamTls {
            policy: 7,
            server_name: b"",
        }),
        ..plain.clone()
    });
    let plugins = encoded(&Plan {
        plugin_set: 1,
        ..plain.clone()
    });
    let adding_nothing = encoded(&Plan {
        add_headers: &[(b"x-new", b"")],
        ..plain.clone()
    });
    for (name, plan) in [
        ("HTTP/2", speaking(Protocol::H2c)),
        ("gRPC", speaking(Protocol::Grpc)),
        ("gRPC with TLS", speaking(Protocol::Grpcs)),
        ("a policy", policy),
        ("plugins", plugins),
        ("a header to remove that is there", removing(b"x-once")),
        ("a header to set with two lines", setting(b"x-twice", b"3")),
        ("an empty header to set", setting(b"x-once", b"")),
        ("an empty header to add", adding_nothing),
        ("a URI that is no path", to_uri(b"y")),
        ("an empty URI", to_uri(b"")),
        ("a URI with a space", to_uri(b"/ HTTP/1.1")),
        ("a host with a space", to_host(b"a test")),
        ("an empty host", to_host(b"")),
        ("an unknown field", unknown),
        ("a plan that is cut", cut),
        ("nothing", Vec::new()),
    ] {
        let fake = Fake::new(&[("x-once", "1"), ("x-twice", "1"), ("x-twice", "2")]);
        assert!(!minimal::carry_out(&plan, &fake), "{name}");
        assert!(fake.refused.get(), "{name}");
        assert!(fake.set.borrow().is_empty(), "{name}");
    }
}

#[test]
fn an_addition_that_replaced_what_the_client_sent_is_refused() {
    let endpoints = endpoints();
    let plan = encoded(&Plan {
        add_headers: &[(b"authorization", b"2")],
        ..Plan::to(1, 2, &endpoints)
    });
    for (headers, expected) in [(&[("authorization", "1")][..], false), (&[], true)] {
        let fake = Fake {
            one_line: true,
            ..Fake::new(headers)
        };
        assert_eq!(minimal::carry_out(&plan, &fake), expected);
        assert_eq!(fake.property(minimal::TARGET).is_some(), expected);
    }
}

#[test]
fn a_request_of_which_kong_did_not_do_all_goes_nowhere() {
    let endpoints = endpoints();
    let plan = encoded(&Plan {
        uri: Some(b"/y"),
        set_headers: &[(b"x-set", b"3")],
        add_headers: &[(b"x-add", b"2")],
        remove_headers: &[b"x-removed"],
        ..Plan::to(1, 1, &endpoints)
    });
    let whole = Fake::new(&[]);
    assert!(minimal::carry_out(&plan, &whole));
    // Client's Host, removal, three each for set and addition, four properties.
    assert_eq!(whole.calls.get(), 12);
    for fails in 1..=whole.calls.get() {
        let fake = Fake {
            fails: Some(fails),
            ..Fake::new(&[])
        };
        assert!(!minimal::carry_out(&plan, &fake), "call {fails}");
        assert!(fake.refused.get(), "call {fails}");
    }
}
