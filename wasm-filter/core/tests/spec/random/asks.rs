//! Requests that concern the objects.

use super::choices::Choices;
use super::gateways::PORTS;
use super::{HEADERS, HOSTS, METHODS, PARAM_VALUES, PARAMS, PATTERNS, SEGMENTS, VALUES};
use crate::ask::Ask;
use crate::oracle::hosts::Host;
use crate::oracle::matches::ValueCond;
use crate::oracle::paths::PathCond;
use crate::oracle::{Candidate, Oracle, Scheme, Scope};

/// A request, mostly one that fits a candidate or nearly does.
pub(crate) fn ask(c: &mut Choices, oracle: &Oracle<'_>) -> Ask {
    let candidates = oracle.candidates();
    let mut ask = if candidates.is_empty() || c.one_in(12) {
        anywhere(c)
    } else {
        let candidate = &candidates[c.below(candidates.len())];
        towards(c, candidate)
    };
    noise(c, &mut ask);
    ask
}

fn anywhere(c: &mut Choices) -> Ask {
    let mut path = String::new();
    for _ in 0..c.between(0, 3) {
        path.push('/');
        path += c.of(&SEGMENTS);
    }
    let mut ask = Ask::get(c.of(&HOSTS), &format!("{path}/"));
    let (port, tls) = PORTS[c.below(4)];
    ask.listener = Some(port);
    ask.tls = tls;
    ask
}

fn towards(c: &mut Choices, candidate: &Candidate) -> Ask {
    let mut host = concrete(c, &candidate.host);
    let mut ask = Ask::get("", "");
    match &candidate.scope {
        Scope::Ingress | Scope::IngressDefault => {
            ask.listener = if c.one_in(2) { Some(80) } else { None };
            ask.tls = matches!(candidate.scheme, Scheme::Tls(_)) && !c.one_in(3);
            if ask.tls && ask.listener.is_some() {
                ask.listener = Some(443);
            }
        }
        Scope::Listener(port, listener) => {
            if candidate.host == Host::Any {
                host = concrete(c, listener);
            }
            ask.listener = Some(*port);
            ask.ingress = c.one_in(2);
            ask.tls = *port == 443 || *port == 8443;
        }
    }
    if ask.tls {
        let named = candidate
            .snis
            .first()
            .cloned()
            .unwrap_or_else(|| host.clone());
        ask.sni = if c.one_in(8) { String::new() } else { named };
    }
    let mut path = match &candidate.path {
        PathCond::Exact(path) => String::from_utf8_lossy(path).into_owned(),
        PathCond::Prefix(path) => {
            let path = String::from_utf8_lossy(path).into_owned();
            path + c.of(&["", "/", "/bar", "bar", "/foo/v1", "/a/../b"])
        }
        PathCond::Text(path) => {
            String::from_utf8_lossy(path).into_owned() + c.of(&["", "/", "bar", "/bar"])
        }
        PathCond::Regex { pattern, .. } => {
            let known = PATTERNS.iter().find(|(known, _)| known == pattern);
            let path = known.map_or("/foo", |(_, path)| path).to_owned();
            path + c.of(&["", "", "/", "x"])
        }
        PathCond::GrpcMethod(method) => format!("/{}/{method}", c.of(&["foo", "foo.Bar", "s"])),
        PathCond::GrpcPattern { .. } => format!(
            "/{}/{}",
            c.of(&["foo", "foo.Bar", "v1", "any"]),
            c.of(&["Get", "v1", "Set", "foo/Get"])
        ),
        PathCond::GrpcAny => "/any/Thing".to_owned(),
    };
    if path.is_empty() {
        path.push('/');
    }
    if let Some(method) = candidate.methods.first() {
        ask.method = method.clone().into_bytes();
    }
    for (name, cond) in &candidate.headers {
        ask.headers
            .push((name.clone(), value(c, cond, &VALUES).into_bytes()));
    }
    let mut query = Vec::new();
    for (name, cond) in &candidate.queries {
        let value = value(c, cond, &PARAM_VALUES);
        let value = if value == "+" {
            "%2B".to_owned()
        } else {
            value.replace(' ', "+")
        };
        query.push(format!("{name}={value}"));
    }
    ask.host = host.into_bytes();
    ask.target = path.into_bytes();
    if !query.is_empty() {
        ask.target
            .extend(format!("?{}", query.join("&")).into_bytes());
    }
    ask
}

fn value(c: &mut Choices, cond: &ValueCond, values: &[&str]) -> String {
    match cond {
        ValueCond::OneOf(known) if !known.is_empty() && !c.one_in(10) => {
            known[c.below(known.len())].clone()
        }
        _ => c.of(values).to_owned(),
    }
}

fn concrete(c: &mut Choices, host: &Host) -> String {
    match host {
        Host::Any => c.of(&HOSTS).to_owned(),
        Host::Exact(host) => host.clone(),
        Host::Wild(suffix) => format!("{}.{suffix}", c.of(&["w", "x", "y.x", "x.y"])),
    }
}

/// What no rule asks for, other writings of the same, and what is broken.
fn noise(c: &mut Choices, ask: &mut Ask) {
    if c.one_in(6) {
        ask.method = c.of(&METHODS).as_bytes().to_vec();
    }
    if c.one_in(4) {
        let header = (c.of(&HEADERS).to_owned(), c.of(&VALUES).as_bytes().to_vec());
        let at = c.below(ask.headers.len() + 1);
        ask.headers.insert(at, header);
    }
    if c.one_in(3) {
        let origin = c.of(&[
            "https://a.com",
            "http://b.com:8080",
            "https://x.y.a.com",
            "https://evil.example",
            "http://a.com",
        ]);
        ask.headers
            .push(("Origin".to_owned(), origin.as_bytes().to_vec()));
        if c.one_in(2) {
            ask.method = b"OPTIONS".to_vec();
            ask.headers
                .push(("Access-Control-Request-Method".to_owned(), b"PUT".to_vec()));
            if c.one_in(2) {
                ask.headers.push((
                    "Access-Control-Request-Headers".to_owned(),
                    b"x-env".to_vec(),
                ));
            }
        }
    }
    if c.one_in(5) {
        let pair = format!(
            "{}={}",
            c.of(&PARAMS),
            c.of(&["1", "%31", "a+b", "a%20b", "%", "1%zz"])
        );
        let joint = if ask.target.contains(&b'?') { "&" } else { "?" };
        ask.target.extend(format!("{joint}{pair}").into_bytes());
    }
    if c.one_in(5) {
        rewritten(c, ask);
    }
    let host = String::from_utf8_lossy(&ask.host).into_owned();
    match c.below(24) {
        0 => ask.host = host.to_uppercase().into_bytes(),
        1 => ask.host = format!("{host}:8000").into_bytes(),
        2 => ask.host = format!("{host}.").into_bytes(),
        3 => {
            ask.host = c
                .of(&["", "[::1]", "[::1]:80", "other.example"])
                .as_bytes()
                .to_vec()
        }
        4 if c.one_in(3) => {
            ask.host = c
                .of(&["a b", "a..com", "a.com:99999", "a/b"])
                .as_bytes()
                .to_vec();
        }
        _ => {}
    }
    match c.below(24) {
        0 => ask.listener = Some(PORTS[c.below(4)].0),
        1 => ask.tls = !ask.tls,
        _ => {}
    }
}

/// The same path, or another, in another form.
fn rewritten(c: &mut Choices, ask: &mut Ask) {
    let target = String::from_utf8_lossy(&ask.target).into_owned();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path.to_owned(), format!("?{query}")),
        None => (target, String::new()),
    };
    let path = match c.below(11) {
        0 => path.replacen('/', "//", 1),
        1 => path.replacen('o', "%6F", 1),
        2 => path.replacen('o', "%6f", 1),
        3 => format!("{path}/./"),
        4 => format!("/x/..{path}"),
        5 => path.replacen("/v1", "%2Fv1", 1),
        6 => format!("{path}/%2e%2e/foo"),
        7 => path.replace("%20", "%2f"),
        8 => format!("{path}/%C3%a9"),
        9 => path.to_uppercase(),
        _ => c.of(&["/%", "/%zz", "foo", "/a\u{1}b", "/.."]).to_owned(),
    };
    ask.target = format!("{path}{query}").into_bytes();
}
