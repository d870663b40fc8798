//! How a running `silverback dev` is doing.

use std::io::{self, Write};

use serde_json::Value;

use super::value::{cut, visible};
use super::{Grid, plural, style};
use crate::status::{Endpoint, Listener, Status};

/// Characters of a problem's message.
const LONGEST: usize = 300;

/// Writes it as tables.
pub fn status(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let (bold, dim) = (style::BOLD, style::DIM);
    let modules: Vec<_> = status
        .modules
        .iter()
        .map(|module| {
            let mut text = format!("{} {}", module.name, module.digest);
            if module.reloads + module.refused > 0 {
                text += &format!(" ({} reloads, {} refused)", module.reloads, module.refused);
            }
            visible(&text)
        })
        .collect();
    writeln!(
        out,
        "{bold}silverback {}{bold:#}  {dim}up {}, {}{dim:#}",
        visible(&status.version),
        duration(status.uptime_seconds),
        modules.join(", "),
    )?;
    let table = &status.table;
    writeln!(
        out,
        "table epoch {}, {}, {} bytes {dim}{}{dim:#}",
        table.epoch,
        plural(usize::try_from(table.routes).unwrap_or(usize::MAX), "route"),
        table.bytes,
        visible(&table.digest),
    )?;
    for note in &status.notes {
        let warning = style::WARNING;
        writeln!(out, "{warning}note{warning:#}: {}", visible(note))?;
    }

    heading(out, "Listeners")?;
    let mut grid = Grid::new(&["", ""]);
    for listener in &status.listeners {
        let scheme = if listener.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.address);
        grid.row([visible(&url), visible(&serves(listener))]);
    }
    grid.write(out)?;

    heading(out, "Workers")?;
    let mut grid = Grid::new(&["WORKER", "REQUESTS", "CONNECTIONS", "TRAPS", "RESTARTS"]);
    for worker in &status.workers {
        let numbers = [
            worker.worker,
            worker.requests,
            worker.connections,
            worker.traps,
            worker.restarts,
        ];
        grid.row(numbers.map(|number| number.to_string()));
    }
    grid.write(out)?;

    heading(out, "Services")?;
    let mut grid = Grid::new(&[
        "SERVICE", "ENDPOINT", "HEALTH", "LAST", "ANSWERED", "FAILED",
    ]);
    for service in &status.services {
        let name = format!("{}/{}:{}", service.namespace, service.name, service.port);
        if service.endpoints.is_empty() {
            let endpoint = match &service.external_name {
                Some(name) => format!("{} (no address yet)", visible(name)),
                None => "none".to_owned(),
            };
            grid.row([visible(&name), endpoint]);
        }
        for endpoint in &service.endpoints {
            let echo = if endpoint.echo { " (echo)" } else { "" };
            let failed = endpoint.failed + endpoint.timed_out;
            grid.row([
                visible(&name),
                visible(&format!("{}{echo}", endpoint.address)),
                visible(&endpoint.health),
                visible(&last(endpoint)),
                endpoint.answered.to_string(),
                failed.to_string(),
            ]);
        }
    }
    grid.write(out)?;

    if !status.problems.is_empty() {
        heading(out, "Problems")?;
    }
    for problem in &status.problems {
        self::problem(out, problem)?;
    }
    if status.dropped > 0 {
        let dropped = status.dropped;
        writeln!(
            out,
            "\n{dim}{dropped} lines of the access log were dropped{dim:#}"
        )?;
    }
    Ok(())
}

/// What a listener is for.
pub fn serves(listener: &Listener) -> String {
    let mut serves = Vec::new();
    if listener.ingress {
        serves.push("Ingress".to_owned());
    }
    if let Some(port) = listener.gateway_port {
        let gateways = listener.gateways.join(", ");
        serves.push(format!("Gateway port {port}: {gateways}"));
    }
    serves.join("; ")
}

/// How the last try went, and when.
pub fn last(endpoint: &Endpoint) -> String {
    let outcome = endpoint.last_outcome.as_deref().unwrap_or_default();
    let outcome = match outcome {
        "timedOut" => "timed out",
        outcome => outcome,
    };
    let status = endpoint.last_status;
    let status = status.map_or_else(String::new, |status| format!(" {status}"));
    let at = endpoint.last_at.as_deref().and_then(|at| at.get(11..19));
    let at = at.map_or_else(String::new, |at| format!(" at {at}Z"));
    format!("{outcome}{status}{at}")
}

fn problem(out: &mut dyn Write, problem: &Value) -> io::Result<()> {
    let text = |name: &str| {
        let value = problem.get(name).and_then(Value::as_str);
        cut(&visible(value.unwrap_or_default()), LONGEST)
    };
    let of = |value: &Value, name: &str| {
        let value = value.get(name).and_then(Value::as_str);
        visible(value.unwrap_or_default())
    };
    let severity = text("severity");
    let style = match &*severity {
        "error" => style::ERROR,
        "warning" => style::WARNING,
        _ => style::HINT,
    };
    let object = problem.get("object").filter(|object| object.is_object());
    let object = object.map_or_else(String::new, |object| {
        let name = of(object, "name");
        match &*of(object, "namespace") {
            "" => format!(" {} {name}", of(object, "kind")),
            namespace => format!(" {} {namespace}/{name}", of(object, "kind")),
        }
    });
    let field = match &*text("field") {
        "" => String::new(),
        field => format!(" {field}"),
    };
    let about = match &*format!("{object}{field}") {
        "" => String::new(),
        about => format!("{about}:"),
    };
    let source = problem.get("source").filter(|source| source.is_object());
    let source = source.map_or_else(String::new, |source| {
        let number = |name| source.get(name).and_then(Value::as_u64).unwrap_or_default();
        format!(
            " ({}:{}:{})",
            of(source, "file"),
            number("line"),
            number("column")
        )
    });
    let (code, message) = (text("code"), text("message"));
    writeln!(
        out,
        "{style}{severity}[{code}]{style:#}{about} {message}{source}"
    )?;
    match &*text("hint") {
        "" => Ok(()),
        hint => writeln!(out, "  hint: {hint}"),
    }
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let head = style::HEAD;
    writeln!(out, "\n{head}{text}{head:#}")
}

/// Seconds as people say them.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds} s"),
        (_, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (_, _, 0) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min 1 s"),
            (3_600, "1 h 0 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn everything_is_in_tables() {
        let json = serde_json::json!({
            "schemaVersion": 1, "version": "0.1.0", "uptimeSeconds": 61,
            "table": {"epoch": 3, "digest": "ab", "bytes": 1000, "routes": 1},
            "modules": [{"name": "silverback.wasm", "digest": "01", "reloads": 2, "refused": 1},
                        {"name": "translator.wasm", "digest": "02"}],
            "notes": ["admin port 9080 is in use"],
            "workers": [{"worker": 0, "requests": 5, "connections": 1, "traps": 2, "restarts": 2}],
            "listeners": [{"address": "127.0.0.1:8000", "ingress": true},
                          {"address": "127.0.0.1:8443", "tls": true, "gatewayPort": 443,
                           "gateways": ["d/web/https"]}],
            "services": [
                {"namespace": "d", "name": "web", "port": "80", "endpoints": [
                    {"address": "10.0.0.1:80", "echo": true, "health": "untried"},
                    {"address": "10.0.0.2:80", "health": "failing", "lastOutcome": "timedOut",
                     "lastAt": "2026-01-01T10:11:12.000Z", "answered": 7, "failed": 1, "timedOut": 2},
                    {"address": "10.0.0.3:80", "health": "healthy", "lastOutcome": "answered",
                     "lastStatus": 200, "lastAt": "2026-01-01T10:11:13.000Z", "answered": 1}]},
                {"namespace": "d", "name": "api", "port": "http", "endpoints": []}],
            "problems": [
                {"code": "InvalidHost", "severity": "error", "message": "not a\u{1b}[2J host",
                 "hint": "write a.com", "field": "spec.rules[0].host", "object": {"kind": "Ingress", "namespace": "d", "name": "a"},
                 "source": {"file": "a.yaml", "line": 3, "column": 5}},
                {"code": "Unreadable", "severity": "warning", "message": "no", "hint": "", "object": null}],
            "dropped": 4,
        });
        let status: Status = serde_json::from_value(json).expect("a status");
        let mut out = anstream::StripStream::new(Vec::new());
        super::status(&mut out, &status).expect("written");
        insta::assert_snapshot!(String::from_utf8(out.into_inner()).expect("text"));
    }
}
