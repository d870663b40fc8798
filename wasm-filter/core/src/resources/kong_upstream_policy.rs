//! `configuration.konghq.com/v1beta1` KongUpstreamPolicy: how an endpoint is chosen.
//!
//! It only tunes: what cannot be read of it is left at its default, and no request is refused.

use super::field::{Field, Read, Reported, Sink, quote};
use super::unknown;
use crate::problem::Code;
use crate::table::model::{Algorithm, HashInput, PassiveChecks, UpstreamPolicy};

/// Kong's defaults of `healthchecks.passive.unhealthy.http_statuses`.
const UNHEALTHY: [u16; 3] = [429, 500, 503];
/// `KongUpstreamPolicySpec`.
const SPEC: [&str; 6] = [
    "algorithm",
    "slots",
    "hashOn",
    "hashOnFallback",
    "healthchecks",
    "stickySessions",
];
/// `KongUpstreamHash`.
const INPUT: [&str; 6] = [
    "input",
    "header",
    "cookie",
    "cookiePath",
    "queryArg",
    "uriCapture",
];
/// Of passive checks.
const HEALTHY: [&str; 3] = ["httpStatuses", "interval", "successes"];
const UNHEALTHY_FIELDS: [&str; 5] = [
    "httpStatuses",
    "interval",
    "httpFailures",
    "tcpFailures",
    "timeouts",
];
/// The longest name of a header, cookie, parameter or group.
const MAX_NAME: usize = 256;

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> UpstreamPolicy {
    let mut out = UpstreamPolicy::default();
    let spec = root.key("spec");
    if spec.object(sink).is_err() {
        return out;
    }
    unknown::warn(&spec, &SPEC, sink);
    if let Ok(algorithm) = read_algorithm(&spec.key("algorithm"), sink) {
        out.algorithm = algorithm;
    }
    for (name, place) in [
        ("hashOn", &mut out.hash_on),
        ("hashOnFallback", &mut out.fallback),
    ] {
        if let Ok(input) = read_input(&spec.key(name), sink) {
            *place = input;
        }
    }
    if matches!(out.hash_on, HashInput::Cookie(..)) && out.fallback != HashInput::None {
        // As in Kong: a client without the cookie is given one.
        let field = spec.key("hashOnFallback");
        sink.push(field.warning(Code::InvalidValue, "has no effect with hashOn.cookie"));
        out.fallback = HashInput::None;
    }
    if out.algorithm == Algorithm::ConsistentHashing && out.hash_on == HashInput::None {
        let field = spec.key("hashOn");
        sink.push(field.warning(Code::MissingField, "is empty; requests are spread evenly"));
    }
    read_sticky(&spec.key("stickySessions"), &mut out, sink);
    let checks = spec.key("healthchecks");
    if checks.object(sink).is_ok() {
        unknown::warn(&checks, &["active", "passive", "threshold"], sink);
        for name in ["active", "threshold"] {
            let field = checks.key(name);
            if !field.is_empty() {
                unsupported(&field, sink);
            }
        }
        out.passive = read_passive(&checks.key("passive"), sink).ok().flatten();
    }
    let slots = spec.key("slots");
    if !slots.is_absent() {
        unsupported(&slots, sink);
    }
    out
}

fn unsupported(field: &Field<'_, '_>, sink: &mut Sink) {
    sink.push(field.warning(Code::UnsupportedField, "is not supported and has no effect"));
}

fn read_algorithm(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Algorithm> {
    let all = [
        Algorithm::RoundRobin,
        Algorithm::ConsistentHashing,
        Algorithm::LeastConnections,
        Algorithm::Latency,
        Algorithm::StickySessions,
    ];
    let Some(text) = field.text(sink)? else {
        return Ok(Algorithm::RoundRobin);
    };
    let found = all.into_iter().find(|algorithm| algorithm.as_str() == text);
    if found == Some(Algorithm::Latency) {
        let message = "is not measured; as with least-connections the less loaded of two endpoints \
                       gets a request";
        sink.push(field.warning(Code::UnsupportedField, message));
    }
    found.ok_or_else(|| {
        let message = format!(
            "{} is no algorithm; requests are spread evenly",
            quote(text)
        );
        sink.push(field.warning(Code::InvalidValue, message));
        Reported
    })
}

fn read_input(field: &Field<'_, '_>, sink: &mut Sink) -> Read<HashInput> {
    field.object(sink)?;
    unknown::warn(field, &INPUT, sink);
    let mut found = Vec::new();
    let input = field.key("input");
    match input.text(sink)? {
        None | Some("" | "none") => {}
        Some("ip") => found.push(HashInput::Ip),
        Some("path") => found.push(HashInput::Path),
        Some("consumer") => {
            let message = "is not known when an endpoint is chosen; `hashOnFallback` decides";
            sink.push(input.warning(Code::UnsupportedField, message));
            found.push(HashInput::Consumer);
        }
        Some(other) => {
            let message = format!("{} is nothing that can be hashed", quote(other));
            sink.push(input.warning(Code::InvalidValue, message));
            return Err(Reported);
        }
    }
    if let Some(name) = read_name(&field.key("header"), sink)? {
        found.push(HashInput::Header(name.to_ascii_lowercase().into()));
    }
    if let Some(name) = read_name(&field.key("queryArg"), sink)? {
        found.push(HashInput::Query(name.into()));
    }
    if let Some(name) = read_name(&field.key("uriCapture"), sink)? {
        found.push(HashInput::Capture(name.into()));
    }
    if let Some(name) = read_name(&field.key("cookie"), sink)? {
        let path = read_path(&field.key("cookiePath"), sink)?;
        found.push(HashInput::Cookie(name.into(), path.into()));
    }
    if found.len() > 1 {
        sink.push(field.warning(Code::InvalidValue, "names several values; it has no effect"));
        return Err(Reported);
    }
    Ok(found.pop().unwrap_or_default())
}

/// A name that can stand in a header.
fn read_name<'v>(field: &Field<'v, '_>, sink: &mut Sink) -> Read<Option<&'v str>> {
    let Some(text) = field.text(sink)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let fits = |b: u8| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&b);
    if text.len() > MAX_NAME || !text.bytes().all(fits) {
        let message = format!("{} is no name; it has no effect", quote(text));
        sink.push(field.warning(Code::InvalidValue, message));
        return Err(Reported);
    }
    Ok(Some(text))
}

/// The path of a cookie; `/` if there is none.
fn read_path<'v>(field: &Field<'v, '_>, sink: &mut Sink) -> Read<&'v str> {
    let text = field.text(sink)?.filter(|text| !text.is_empty());
    let text = text.unwrap_or("/");
    let fits = |b: u8| b.is_ascii_graphic() && b != b';' && b != b',';
    if !text.starts_with('/') || text.len() > MAX_NAME || !text.bytes().all(fits) {
        let message = format!("{} is no path of a cookie", quote(text));
        sink.push(field.warning(Code::InvalidValue, message));
        return Err(Reported);
    }
    Ok(text)
}

/// The cookie of `sticky-sessions`.
fn read_sticky(field: &Field<'_, '_>, out: &mut UpstreamPolicy, sink: &mut Sink) {
    let sticky = out.algorithm == Algorithm::StickySessions;
    let cookie = field.object(sink).and_then(|()| {
        unknown::warn(field, &["cookie", "cookiePath"], sink);
        let name = read_name(&field.key("cookie"), sink)?;
        let path = read_path(&field.key("cookiePath"), sink)?;
        Ok(name.map(|name| HashInput::Cookie(name.into(), path.into())))
    });
    match (sticky, cookie) {
        (true, Ok(Some(cookie))) => {
            out.hash_on = cookie;
            out.fallback = HashInput::None;
        }
        (true, _) => {
            let field = field.key("cookie");
            sink.push(field.warning(
                Code::MissingField,
                "is needed by sticky-sessions; requests are spread evenly",
            ));
            out.algorithm = Algorithm::RoundRobin;
        }
        (false, Ok(Some(_))) => sink.push(field.warning(
            Code::InvalidValue,
            "has no effect without the algorithm sticky-sessions",
        )),
        (false, _) => {}
    }
}

fn read_passive(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<PassiveChecks>> {
    if field.is_absent() {
        return Ok(None);
    }
    field.object(sink)?;
    let (healthy, unhealthy) = (field.key("healthy"), field.key("unhealthy"));
    healthy.object(sink)?;
    unhealthy.object(sink)?;
    unknown::warn(field, &["type", "healthy", "unhealthy"], sink);
    unknown::warn(&healthy, &HEALTHY, sink);
    unknown::warn(&unhealthy, &UNHEALTHY_FIELDS, sink);
    let codes = unhealthy.key("httpStatuses");
    let mut statuses = Vec::new();
    for (_, code) in codes.items(sink)? {
        match code.integer(sink)?.map(u16::try_from) {
            Some(Ok(status @ 100..=999)) => statuses.push(status),
            _ => sink.push(code.warning(Code::InvalidValue, "is no status code")),
        }
    }
    if codes.is_empty() {
        statuses.extend(UNHEALTHY);
    }
    statuses.sort_unstable();
    statuses.dedup();
    for field in [
        healthy.key("httpStatuses"),
        healthy.key("interval"),
        unhealthy.key("interval"),
    ] {
        if !field.is_empty() {
            unsupported(&field, sink);
        }
    }
    let mut checks = PassiveChecks {
        tcp_failures: read_count(&unhealthy.key("tcpFailures"), sink)?,
        timeouts: read_count(&unhealthy.key("timeouts"), sink)?,
        http_failures: read_count(&unhealthy.key("httpFailures"), sink)?,
        codes: statuses,
        successes: read_count(&healthy.key("successes"), sink)?,
    };
    let kind = field.key("type");
    match kind.text(sink)? {
        None | Some("" | "http" | "https" | "grpc" | "grpcs") => {}
        // As in Kong: only connections count.
        Some("tcp") => checks.http_failures = 0,
        Some(other) => {
            let message = format!("{} is no type of check; it counts as http", quote(other));
            sink.push(kind.warning(Code::InvalidValue, message));
        }
    }
    if checks.tcp_failures | checks.timeouts | checks.http_failures != 0 {
        let message = "in Kong an endpoint that is taken out stays out; here it is back after 10 seconds, \
                       each time twice as long up to 5 minutes, and at most half of them are out";
        sink.push(field.info(Code::KicDiffers, message));
    }
    Ok(Some(checks))
}

/// A threshold; 0 = never.
fn read_count(field: &Field<'_, '_>, sink: &mut Sink) -> Read<u8> {
    let number = field.integer(sink)?.unwrap_or(0);
    u8::try_from(number).map_err(|_| {
        let message = format!("{number} is no number from 0 to 255; there are no passive checks");
        sink.push(field.warning(Code::InvalidValue, message));
        Reported
    })
}
