//! The matches that a request could have belonged to, and why it does not.

use super::trace::{Candidate, Lost, RouteRef};
use super::{host_text, lossy, path_text, path_type};
use crate::regex::Cache;
use crate::route::select::{Headers, Level, Request, Selected, holds, levels};
use crate::table::routes::{Condition, MatchEntry, PathEntry, Value};
use crate::table::store::view::{Segments, Unreadable};

/// The most losers that an answer lists.
pub(super) const MAX_CANDIDATES: usize = 100;

pub(super) fn losers(
    segments: &dyn Segments,
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
    selected: Option<&Selected<'_, '_>>,
) -> Result<Vec<Candidate>, Unreadable> {
    let winner = selected.map(|s| {
        let route = RouteRef::of(&s.rule, &s.matched)?;
        Ok::<_, Unreadable>((
            s.level.scope,
            s.level.kind,
            s.level.host.len(),
            s.path.kind,
            s.path.text,
            route,
        ))
    });
    let winner = winner.transpose()?;
    let mut found: Vec<(u8, Candidate)> = Vec::new();
    levels(segments, request, |level, routes| {
        let mut paths = routes.paths().collect::<Result<Vec<_>, _>>()?;
        // Patterns of one rank lie in their order; a hash has put the others where they are.
        paths.sort_by_key(|path| (path.rank(), path.regex().is_none().then_some(path.text)));
        for path in paths {
            for matched in path.matches() {
                if found.len() > MAX_CANDIDATES * 4 {
                    return Ok(true);
                }
                let matched = matched?;
                let route = RouteRef::of(&matched.rule()?, &matched)?;
                let place = (
                    level.scope,
                    level.kind,
                    level.host.len(),
                    path.kind,
                    path.text,
                );
                if winner.as_ref().is_some_and(|(a, b, c, d, e, winner)| {
                    (*a, *b, *c, *d, *e) == place && *winner == route
                }) {
                    continue;
                }
                let (order, lost) = why(request, headers, cache, &level, &path, &matched)?;
                found.push((order, Candidate { route, lost }));
            }
        }
        Ok(false)
    })?;
    // What came close first.
    found.sort_by_key(|(order, _)| *order);
    Ok(found
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|(_, candidate)| candidate)
        .collect())
}

fn why(
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
    level: &Level<'_>,
    path: &PathEntry<'_>,
    matched: &MatchEntry<'_>,
) -> Result<(u8, Lost), Unreadable> {
    let lost = |code, detail| Lost { code, detail };
    if !path.fits(request.path, cache)? {
        let detail = format!(
            "path {} does not fit {} {}",
            lossy(request.path),
            path_type(path),
            path_text(path)
        );
        return Ok((3, lost("path", detail)));
    }
    for condition in matched.conditions() {
        let condition = condition?;
        if holds(&condition, request, headers, cache)? {
            continue;
        }
        return Ok(match condition {
            Condition::Method(methods) => {
                let methods: Vec<_> = methods.iter().map(lossy).collect();
                let detail = format!(
                    "method {} is not {}",
                    lossy(request.method),
                    methods.join(" or ")
                );
                (1, lost("method", detail))
            }
            Condition::Scheme(_) => (1, lost("scheme", "it is for requests without TLS".into())),
            Condition::Sni(names) => {
                let names: Vec<_> = names.iter().map(|(_, name)| lossy(name)).collect();
                let detail = format!(
                    "server name {:?} is not {}",
                    lossy(request.sni),
                    names.join(" or ")
                );
                (2, lost("sni", detail))
            }
            Condition::Header(name, value) => {
                let detail = format!("header {name} {}", unmet(&value));
                (2, lost("header", detail))
            }
            Condition::Query(name, value) => {
                let detail = format!("query parameter {} {}", lossy(name), unmet(&value));
                (2, lost("query", detail))
            }
        });
    }
    let detail = format!(
        "it fits too (host {}, {} {}), but the chosen match comes first",
        host_text(level),
        path_type(path),
        path_text(path)
    );
    Ok((0, lost("precedence", detail)))
}

fn unmet(value: &Value<'_>) -> String {
    match value {
        Value::OneOf(values) => {
            let values: Vec<_> = values.iter().map(|v| format!("{:?}", lossy(v))).collect();
            format!("is not {}", values.join(" or "))
        }
        Value::Regex(regex) => format!("does not match {:?}", lossy(regex.pattern)),
    }
}
