//! A request to a table of a few rules. Lines: Host, target, method, then headers as `name: value`.

use std::cell::OnceCell;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::route::target::Target;
use silverback_core::table::build::TableBuilder;
use silverback_core::translate::{Options, Translator};

const OBJECTS: &str = include_str!("request.jsonl");

thread_local! {
    static TABLE: OnceCell<Translator> = const { OnceCell::new() };
}

struct Lines<'a>(Vec<&'a [u8]>);

impl Headers for Lines<'_> {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let value = self.0.iter().find_map(|line| {
            let at = line.iter().position(|b| *b == b':')?;
            let (known, value) = line.split_at(at);
            known
                .eq_ignore_ascii_case(name.as_bytes())
                .then_some(value.get(2..).unwrap_or_default())
        });
        judge(value)
    }
}

pub fn run(data: &[u8]) {
    TABLE.with(|table| {
        let translator = table.get_or_init(|| {
            let mut translator = Translator::new(Options {
                accept_all_classes: true,
                ..Options::default()
            });
            for object in OBJECTS.lines() {
                translator.apply(object.as_bytes());
            }
            translator.commit();
            translator
        });
        ask(translator.table(), data);
    });
}

fn ask(table: &TableBuilder, data: &[u8]) {
    let mut lines = data.split(|b| *b == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (host, target, method) = (line(), line(), line());
    let headers = Lines(lines.collect());
    let parsed = Target::parse(host, target);
    if let Some(parsed) = &parsed {
        let host = parsed.host.as_bytes();
        assert_eq!(host, host.to_ascii_lowercase());
        assert!(parsed.path.starts_with(b"/"));
        let mut segments = parsed.path.split(|b| *b == b'/');
        assert!(!segments.any(|segment| segment == b"." || segment == b".."));
        assert!(parsed.path.iter().all(|b| *b > 0x20 && *b != 0x7f));
        let again = Target::parse(host, &parsed.path).expect("the normal form is a target");
        assert_eq!(again.path, parsed.path, "and its own normal form");
    }
    for (tls, listener) in [
        (false, None),
        (true, None),
        (false, Some(80)),
        (true, Some(443)),
    ] {
        let info = RequestInfo {
            tls,
            host,
            path: target,
            method,
            sni: if tls { b"shop.example.com" } else { b"" },
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: listener.is_none(),
            listener,
        };
        let mut scratch = Scratch::default();
        let spin = Spin(data.len() as u64);
        match answer(table, 1, entry, &info, &headers, spin, &mut scratch).expect("a whole table") {
            Answer::Proxy => {
                assert!(parsed.is_some(), "what has no normal form is never proxied");
                let plan = OwnedPlan::decode(&scratch.plan).expect("a plan that can be read");
                let uri = plan.uri.unwrap_or_default();
                assert!(uri.iter().all(|b| *b > 0x20 && *b != 0x7f), "{uri:?}");
            }
            Answer::Reply(reply) => {
                assert!(reply.status() >= 300 || reply.status() == 204 || reply.status() == 200);
                for (name, value) in &scratch.headers {
                    assert!(
                        !value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)),
                        "{name}"
                    );
                }
            }
        }
    }
}
