//! One request as the access log and the live tail have it.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use http::Version;
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::record::Record;
use super::rules::Names;
use crate::gateway::Answer;
use crate::render::style;

/// See the module; docs/observability.md describes the fields.
#[derive(Clone, Debug, Serialize)]
pub(in crate::commands::dev) struct Entry {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    /// RFC 3339, UTC.
    pub(in crate::commands::dev) time: String,
    client: IpAddr,
    pub(in crate::commands::dev) method: String,
    scheme: &'static str,
    pub(in crate::commands::dev) host: String,
    port: u16,
    pub(in crate::commands::dev) path: String,
    protocol: &'static str,
    pub(in crate::commands::dev) status: u16,
    answer: &'static str,
    pub(in crate::commands::dev) rule: Option<String>,
    pub(in crate::commands::dev) backend: Option<String>,
    pub(in crate::commands::dev) endpoint: Option<SocketAddr>,
    pub(in crate::commands::dev) tries: usize,
    pub(in crate::commands::dev) duration_ms: f64,
    upstream_ms: Option<f64>,
    request_bytes: u64,
    pub(in crate::commands::dev) response_bytes: u64,
    pub(in crate::commands::dev) worker: usize,
    epoch: Option<u64>,
    kong_route: Option<String>,
    kong_service: Option<String>,
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(record: Record, names: Option<&Names>) -> Self {
        let planned = record.rule != 0;
        let some = |text: String| (!text.is_empty()).then_some(text);
        let rule = names.and_then(|names| names.rule(record.rule));
        let backend = names
            .zip(record.endpoint)
            .and_then(|(names, endpoint)| names.backend(record.rule, endpoint));
        Self {
            schema_version: 1,
            time: rfc3339(record.at),
            client: record.client,
            method: record.method,
            scheme: if record.tls { "https" } else { "http" },
            host: record.host,
            port: record.port,
            path: record.path,
            protocol: protocol(record.version),
            status: record.status,
            answer: answer(record.answer),
            rule: rule.map(str::to_owned).filter(|_| planned),
            backend: backend.map(str::to_owned).filter(|_| planned),
            endpoint: record.endpoint,
            tries: record.attempts.len(),
            duration_ms: millis(record.latency.as_secs_f64()),
            upstream_ms: record.upstream.map(|took| millis(took.as_secs_f64())),
            request_bytes: record.received,
            response_bytes: record.sent,
            worker: record.worker,
            epoch: planned.then_some(record.epoch),
            kong_route: some(record.route),
            kong_service: some(record.service),
        }
    }

    /// One line of JSON.
    pub(in crate::commands::dev) fn json(&self) -> String {
        // Strings and numbers: it does not fail.
        let json = serde_json::to_string(self).unwrap_or_default();
        if !json.chars().any(invisible) {
            return json;
        }
        let mut line = String::with_capacity(json.len() + 16);
        for char in json.chars() {
            if invisible(char) {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    line += &format!("\\u{unit:04x}");
                }
            } else {
                line.push(char);
            }
        }
        line
    }

    /// One line for people. What a client chose cannot look like another field.
    pub(in crate::commands::dev) fn text(&self) -> String {
        let dim = style::DIM;
        let status = match self.status {
            ..300 => style::GOOD,
            300..400 => style::HINT,
            400..500 => style::WARNING,
            500.. => style::ERROR,
        };
        let time = self.time.get(11..).unwrap_or_default();
        let mut line = format!(
            "{dim}{time}{dim:#} {status}{}{status:#} {} {}{}",
            self.status,
            word(&self.method),
            word(&self.host),
            word(&self.path),
        );
        match (&self.backend, &self.endpoint) {
            (Some(backend), Some(endpoint)) => {
                line += &format!(" -> {} at {endpoint}", word(backend));
            }
            (None, Some(endpoint)) => line += &format!(" -> {endpoint}"),
            _ => {}
        }
        if self.answer != "upstream" {
            line += &format!(" by {}", self.answer);
        }
        if let Some(rule) = self.rule.as_ref().or(self.kong_route.as_ref()) {
            line += &format!(" [{}]", escape(rule));
        }
        line += &format!(" {dim}{:.1} ms", self.duration_ms);
        if let Some(upstream) = self.upstream_ms {
            line += &format!(" (upstream {upstream:.1})");
        }
        if self.tries > 1 {
            line += &format!(", {} tries", self.tries);
        }
        line += &format!(
            ", {} B in, {} B out, {}, worker {}{dim:#}",
            self.request_bytes, self.response_bytes, self.protocol, self.worker
        );
        line
    }
}

fn millis(seconds: f64) -> f64 {
    // Microseconds are as much as the clocks are good for.
    (seconds * 1e6).round() / 1e3
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Proxied => "upstream",
        Answer::Local => "filter",
        Answer::Gateway => "gateway",
        Answer::Aborted => "nobody",
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// Milliseconds, UTC.
pub(in crate::commands::dev) fn rfc3339(at: SystemTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // The years of this clock have four digits.
    OffsetDateTime::from(at).format(format).unwrap_or_default()
}

/// Whether a character does something to a terminal or to the order of the text, instead of being
/// seen.
fn invisible(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text with what cannot be seen spelt out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\\' => escaped += r"\\",
            char if invisible(char) => escaped.extend(char.escape_unicode()),
            char => escaped.push(char),
        }
    }
    escaped
}

/// The same as one word.
fn word(text: &str) -> String {
    escape(text).replace(' ', r"\u{20}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use silverback_core::contract::result::Outcome;

    use super::*;

    fn record() -> Record {
        let endpoint: SocketAddr = "10.0.0.1:80".parse().expect("an address");
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            client: IpAddr::from([127, 0, 0, 1]),
            method: "GET".to_owned(),
            host: "a.com".to_owned(),
            path: "/x?y=*".to_owned(),
            status: 200,
            answer: Answer::Proxied,
            rule: 7,
            epoch: 3,
            route: "d.shop.web.a.com.80".to_owned(),
            service: "d.web.80".to_owned(),
            endpoint: Some(endpoint),
            attempts: vec![(endpoint, Outcome::Failed), (endpoint, Outcome::Answered)],
            latency: Duration::from_micros(1_234),
            upstream: Some(Duration::from_micros(1_000)),
            received: 0,
            sent: 12,
            version: Version::HTTP_2,
            tls: true,
            port: 8443,
            worker: 1,
        }
    }

    fn plain(entry: &Entry) -> String {
        anstream::adapter::strip_str(&entry.text()).to_string()
    }

    #[test]
    fn every_field_is_in_json_and_a_line_in_text() {
        let entry = Entry::new(record(), None);
        insta::assert_snapshot!("json", entry.json());
        insta::assert_snapshot!("text", plain(&entry));
    }

    #[test]
    fn nothing_a_client_sends_makes_a_line_or_moves_the_cursor() {
        let bad = "a\r\nb\u{1b}[2J\u{9b}\u{202e}\u{7f}\\ c\"<script>";
        let entry = Entry::new(
            Record {
                method: bad.to_owned(),
                host: bad.to_owned(),
                path: bad.to_owned(),
                route: bad.to_owned(),
                service: bad.to_owned(),
                ..record()
            },
            None,
        );
        for line in [entry.json(), plain(&entry)] {
            assert!(!line.chars().any(invisible), "{line:?}");
        }
        let read: serde_json::Value = serde_json::from_str(&entry.json()).expect("JSON");
        assert_eq!(read["host"], bad);
        assert!(
            plain(&entry)
                .contains(r#"a\u{d}\u{a}b\u{1b}[2J\u{9b}\u{202e}\u{7f}\\\u{20}c"<script>"#),
            "{}",
            plain(&entry)
        );
    }

    #[test]
    fn a_refused_request_has_no_rule() {
        let entry = Entry::new(
            Record {
                rule: 0,
                epoch: 0,
                route: String::new(),
                service: String::new(),
                endpoint: None,
                attempts: Vec::new(),
                upstream: None,
                answer: Answer::Gateway,
                status: 400,
                version: Version::HTTP_10,
                ..record()
            },
            None,
        );
        let read: serde_json::Value = serde_json::from_str(&entry.json()).expect("JSON");
        for name in [
            "rule",
            "backend",
            "endpoint",
            "upstream_ms",
            "epoch",
            "kong_route",
        ] {
            assert_eq!(read[name], serde_json::Value::Null, "{name}");
        }
        assert!(
            plain(&entry).contains(" 400 GET a.com/x?y=* by gateway 1.2 ms,"),
            "{}",
            plain(&entry)
        );
    }
}
