//! `explain` says what happens.

use serde_json::{Value, json};
use silverback_core::explain::explain_json;

use crate::ask::Ask;
use crate::subject::Subject;
use crate::verdict::{Outcome, Verdict};

/// What `explain` answers; `None`: the request cannot be asked (explain serves Ingress and a listener
/// on every port, and names are lower case and in one place).
pub(crate) fn explained(subject: &Subject, ask: &Ask) -> Option<Value> {
    let port = ask.listener.filter(|_| ask.ingress)?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let mut headers = json!({});
    for (name, value) in &ask.headers {
        let name = name.to_ascii_lowercase();
        match headers[&name].as_array_mut() {
            Some(values) => values.push(text(value)?.into()),
            None => headers[&name] = json!([text(value)?]),
        }
    }
    let question = json!({"method": text(&ask.method)?, "scheme": if ask.tls { "https" } else { "http" },
        "host": text(&ask.host)?, "port": port, "path": text(&ask.target)?, "sni": ask.sni,
        "headers": headers});
    let trace = explain_json(subject, &question.to_string()).expect("a trace");
    Some(serde_json::from_str(&trace).expect("JSON"))
}

/// Does it say what should happen?
pub(crate) fn check(verdict: &Verdict, trace: &Value) -> Result<(), String> {
    let status = trace["status"].as_u64();
    let is = |wanted: u16| match status {
        Some(status) if status == u64::from(wanted) => Ok(()),
        _ => Err(format!("explain: status {status:?}, wanted {wanted}")),
    };
    match verdict {
        Verdict::BadRequest => is(400),
        Verdict::NotFound => is(404),
        Verdict::Upgrade(status) => is(*status),
        Verdict::Preflight(_) => is(200),
        Verdict::Redirect(status, location) => {
            is(*status)?;
            match trace["location"].as_str() {
                Some(said) if said == location => Ok(()),
                said => Err(format!("explain: location {said:?}, wanted {location}")),
            }
        }
        Verdict::Shares(shares) => {
            let proxies: Vec<_> = shares
                .iter()
                .filter_map(|(_, outcome)| match outcome {
                    Outcome::Proxy(forward) => Some(forward),
                    Outcome::Status(_) => None,
                })
                .collect();
            if proxies.is_empty() {
                let mut all = shares.iter();
                let known = all.any(|(_, outcome)| match outcome {
                    Outcome::Status(wanted) => is(*wanted).is_ok(),
                    Outcome::Proxy(_) => false,
                });
                return if known {
                    Ok(())
                } else {
                    Err(format!("explain: status {status:?}"))
                };
            }
            if trace["outcome"] != "route" {
                return Err(format!("explain: outcome {}", trace["outcome"]));
            }
            let (route, path) = (&trace["upstream"]["routeName"], &trace["request"]["path"]);
            let fits = proxies
                .iter()
                .any(|forward| *route == *forward.route_name && *path == *forward.uri);
            if fits {
                Ok(())
            } else {
                Err(format!("explain: another upstream: {route} {path}"))
            }
        }
    }
}
