//! `explain` over the admin port: the main loop asks the translator that runs, which answers as the
//! command line does.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::sync::oneshot;

use super::Context;
use crate::commands::dev::event::{Event, Question};
use crate::commands::request;
use crate::render;
use crate::translator::SessionError;

/// How long an answer may take: a change of many manifests may be under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) url: String,
    pub(super) method: String,
    /// `Name: value` each.
    pub(super) headers: Vec<String>,
}

/// The answer.
#[derive(Debug)]
pub(super) struct Answered {
    /// As `explain -o json` has it.
    pub(super) json: String,
    /// As `explain` has it.
    pub(super) text: String,
}

/// There is none.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) hint: String,
}

// === impl Asked ===

impl Asked {
    /// Reads a query. A `header` may hold several, a line each, as a form sends them.
    pub(super) fn parse(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "url" => asked.url = value.trim().to_owned(),
                "method" => asked.method = value.trim().to_owned(),
                "header" => {
                    let lines = value.lines().map(str::trim);
                    let lines = lines.filter(|line| !line.is_empty());
                    asked.headers.extend(lines.map(str::to_owned));
                }
                _ => {}
            }
        }
        asked
    }

    pub(super) fn is_empty(&self) -> bool {
        self.url.is_empty()
    }

    pub(super) fn method(&self) -> &str {
        match &*self.method {
            "" => "GET",
            method => method,
        }
    }
}

// === impl Unanswered ===

impl Unanswered {
    fn new(status: StatusCode, text: &str) -> Self {
        let (message, hint) = match text.rsplit_once(" (hint: ") {
            Some((message, hint)) => (message, hint.strip_suffix(')').unwrap_or(hint)),
            None => (
                text,
                "url=URL, and perhaps method=METHOD and header=NAME:VALUE",
            ),
        };
        Self {
            status,
            message: message.to_owned(),
            hint: hint.to_owned(),
        }
    }
}

/// Asks.
pub(super) async fn ask(context: &Context, asked: &Asked) -> Result<Answered, Unanswered> {
    let wrong = |why: String| Unanswered::new(StatusCode::BAD_REQUEST, &why);
    if asked.is_empty() {
        return Err(wrong("no URL given".to_owned()));
    }
    let request = request::build(asked.method(), &asked.url, &asked.headers);
    let request = request.map_err(|error| wrong(error.to_string()))?;
    let busy = || {
        let why = "the translator is busy (hint: try again in a moment)";
        Unanswered::new(StatusCode::SERVICE_UNAVAILABLE, why)
    };
    let answer = tokio::time::timeout(PATIENCE, async {
        let _turn = context.asking.acquire().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let question = Question {
            request: request.to_string(),
            reply,
        };
        context.events.send(Event::Explain(question)).ok()?;
        answer.await.ok()
    });
    match answer.await {
        Ok(Some(Ok(json))) => Ok(Answered {
            text: text(&request, &json),
            json,
        }),
        Ok(Some(Err(SessionError::Request(why)))) => Err(wrong(why)),
        Ok(Some(Err(error))) => Err(Unanswered::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            &error.to_string(),
        )),
        Ok(None) | Err(_) => Err(busy()),
    }
}

fn text(request: &Value, json: &str) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    match render::explain(&mut out, request, json) {
        Ok(()) => String::from_utf8_lossy(&out.into_inner()).into_owned(),
        // Another version's answer: it is better than nothing.
        Err(_) => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_curl_would_ask() {
        let asked = Asked::parse(
            "url=+http%3A%2F%2Fa.com%2Fx%3Fy%3D1&method=&header=A%3A+1%0D%0A%0D%0AB%3A+2&header=C:3&z=9",
        );
        assert_eq!(
            asked,
            Asked {
                url: "http://a.com/x?y=1".to_owned(),
                method: String::new(),
                headers: ["A: 1", "B: 2", "C:3"].map(str::to_owned).to_vec(),
            }
        );
        assert_eq!(asked.method(), "GET");
        assert!(Asked::parse("").is_empty());
    }
}
