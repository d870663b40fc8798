//! One request and what may answer it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::objects::Route;
use crate::random::Random;
use crate::timeline::{Entered, Watch};

/// What a pod says on a WebSocket when it is about to end.
pub(crate) const BYE: &str = "bye";

/// A request that any HTTP client can send.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    expected: Expected,
}

/// What it asks for.
#[derive(Clone, Debug)]
enum Expected {
    /// These bytes, by a route. Its path is rewritten to begin with its revision.
    Page {
        route: Route,
        body: Bytes,
        edited: bool,
    },
    /// The route of this number, which may not be there.
    Extra(u32),
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a query asks of a pod.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) id: u64,
    pub(crate) size: usize,
    pub(crate) pieces: usize,
}

/// Bytes that belong to one request only.
pub(crate) fn pattern(id: u64, size: usize) -> Vec<u8> {
    let unit = format!("{id:016x}.");
    let mut bytes = unit.repeat(size.div_ceil(unit.len())).into_bytes();
    bytes.truncate(size);
    bytes
}

// === impl Wanted ===

impl Wanted {
    pub(crate) fn parse(query: &str) -> Self {
        let mut wanted = Self::default();
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("id", id)) => wanted.id = id.parse().unwrap(),
                Some(("size", size)) => wanted.size = size.parse().unwrap(),
                Some(("pieces", pieces)) => wanted.pieces = pieces.parse().unwrap(),
                _ => {}
            }
        }
        wanted
    }
}

// === impl Ask ===

impl Ask {
    /// Some request; `extra` is the number of the route that there is for one rollout.
    pub(crate) fn any(random: &mut Random, extra: u32) -> Self {
        let id = random.next();
        match random.below(100) {
            0..45 => Self::page(Route::Web, "/", id, random.below(600), 1),
            45..55 => Self::page(Route::Web, "/edit/item", id, random.below(100), 1),
            55..60 => Self::page(Route::Web, "/slow", id, 40 + random.below(4000), 3),
            60..64 => Self {
                method: Method::HEAD,
                ..Self::page(Route::Web, "/", id, 0, 1)
            },
            // Small enough to be sent again when a kept connection was closed.
            64..74 => Self::send(Method::PUT, Route::Web, id, random.below(8 * 1024)),
            74..82 => Self::send(Method::POST, Route::Pay, id, random.below(2 * 1024)),
            // By far larger than what is kept of it.
            82..83 => Self::send(Method::POST, Route::Pay, id, random.below(300 * 1024)),
            83..92 => Self::page(Route::Feed, "/", id, random.below(20 * 1024), 1),
            92..96 => Self::send(Method::POST, Route::Feed, id, random.below(8 * 1024)),
            _ => {
                let number = (extra + 1).saturating_sub(random.below(3).try_into().unwrap());
                Self {
                    method: Method::GET,
                    host: format!("extra-{number}.apps.test"),
                    path: "/".to_owned(),
                    body: Bytes::new(),
                    expected: Expected::Extra(number),
                }
            }
        }
    }

    fn page(route: Route, path: &str, id: u64, size: u64, pieces: usize) -> Self {
        let size = usize::try_from(size).unwrap();
        Self {
            method: Method::GET,
            host: route.host(),
            path: format!("{path}?id={id}&size={size}&pieces={pieces}"),
            body: Bytes::new(),
            expected: Expected::Page {
                route,
                body: pattern(id, size).into(),
                edited: path.starts_with("/edit"),
            },
        }
    }

    fn send(method: Method, route: Route, id: u64, size: u64) -> Self {
        let body = Bytes::from(pattern(id, usize::try_from(size).unwrap() + 1));
        Self {
            method,
            host: route.host(),
            path: "/".to_owned(),
            body: body.clone(),
            expected: Expected::Page {
                route,
                body,
                edited: false,
            },
        }
    }

    /// What is wrong with an answer.
    pub(crate) fn check(
        &self,
        answer: &Answer,
        watch: &Watch,
        entered: &Entered<'_>,
    ) -> Result<(), String> {
        let headers = &answer.headers;
        let (route, body, edited) = match &self.expected {
            Expected::Page {
                route,
                body,
                edited,
            } => (*route, body, *edited),
            Expected::Extra(number) => {
                let wanted = answer.status == StatusCode::OK;
                let configs = watch.configs.since(entered.since);
                let possible = (wanted || answer.status == StatusCode::NOT_FOUND)
                    && configs
                        .iter()
                        .any(|config| (config.extra == *number) == wanted);
                return possible.then_some(()).ok_or_else(|| {
                    format!("extra route {number}: {} is not possible", answer.status)
                });
            }
        };
        if answer.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{}: {body}", answer.status));
        }
        let revision = led_here(headers, route, watch, entered)?;
        if answer.body != *body && self.method != Method::HEAD {
            let (got, wanted) = (answer.body.len(), body.len());
            return Err(format!(
                "a body of {got} bytes that is not the one of {wanted}"
            ));
        }
        let path = text(headers, "x-saw-path");
        let rewritten = format!("/revision-{revision}/item");
        if edited && path != Some(&rewritten) {
            return Err(format!("path {path:?} instead of {rewritten}"));
        }
        Ok(())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The revision of the route by which a pod was reached, if both are of one configuration that may have
/// been in effect.
pub(crate) fn led_here(
    headers: &HeaderMap,
    route: Route,
    watch: &Watch,
    entered: &Entered<'_>,
) -> Result<u32, String> {
    let number = |name: &str| {
        let number = text(headers, name).and_then(|text| text.parse::<u32>().ok());
        number.ok_or_else(|| format!("{name} is missing in {headers:?}"))
    };
    let pod = number("x-pod")?;
    let revision = number("x-saw-revision")?;
    let answer = number("x-answer-revision")?;
    if revision != answer {
        // A request belongs to one table.
        return Err(format!(
            "asked by revision {revision} and answered by {answer}"
        ));
    }
    if headers.contains_key("x-saw-secret") {
        return Err("a header that the route removes reached the pod".to_owned());
    }
    let configs = watch.configs.since(entered.since);
    if !configs
        .iter()
        .any(|config| config.allows(route, revision, pod))
    {
        let numbers = watch.configs.numbers_since(entered.since);
        return Err(format!(
            "pod {pod} by revision {revision} of {route:?} is in none of configurations {numbers:?}"
        ));
    }
    Ok(revision)
}
