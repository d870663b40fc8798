//! The status page. maud escapes every value that is put in.

use maud::{DOCTYPE, Markup, html};

use super::explain::{Answered, Asked, Unanswered};
use super::status::status;
use crate::commands::dev::observe::{Entry, Observed, State};
use crate::problem::{self, CodePage, Problem, Severity};
use crate::render;
use crate::status::{Endpoint, Status};

/// Rows of the route table; `silverback translate` shows all.
const ROUTES: usize = 200;
/// Rows of the endpoint table.
const ENDPOINTS: usize = 200;
/// Problems in full.
const PROBLEMS: usize = 50;

/// The page, with an answer of `explain` if something was asked.
pub(super) fn page(
    observed: &Observed,
    asked: &Asked,
    answered: Option<&Result<Answered, Unanswered>>,
) -> String {
    let state = observed.state.load();
    let status = status(observed);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Silverback" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
                script src="/page.js" defer {}
            }
            body {
                header {
                    h1 { "Silverback" }
                    (facts(&status))
                    nav { a href="/status" { "status" } a href="/metrics" { "metrics" } }
                }
                main {
                    (problems(&state))
                    (routes(&state))
                    div.columns { (listeners(&status)) (workers(&status)) }
                    (endpoints(&status))
                    (explain(asked, answered))
                    (tail(observed))
                }
            }
        }
    };
    page.into_string()
}

fn facts(status: &Status) -> Markup {
    html! {
        span.facts #facts data-live {
            (status.version) " · table epoch " (status.table.epoch)
            " · " (render::plural(to_usize(status.table.routes), "route"))
            " · " (status.table.bytes) " bytes"
            @for module in &status.modules { " · " (module.name) " " code { (module.digest) } }
        }
    }
}

fn problems(state: &State) -> Markup {
    let mut problems: Vec<_> = state.problems.iter().collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let pages = problem::codes();
    html! {
        section #problems data-live hidden[state.problems.is_empty() && state.notes.is_empty()] {
            h2 { "Problems " span.count { (state.problems.len()) } }
            @for note in &state.notes { p { span.tag.warn { "note" } " " (note) } }
            @for problem in problems.into_iter().take(PROBLEMS) { (self::problem(problem, &pages)) }
            (more(state.problems.len(), PROBLEMS, "silverback validate shows all"))
        }
    }
}

fn problem(problem: &Problem, pages: &[CodePage]) -> Markup {
    // What the object itself suggests, or what helps with all problems of the code.
    let page = pages.iter().find(|page| page.code == problem.code);
    let hint = match &*problem.hint {
        "" => page.map_or("", |page| page.cure),
        hint => hint,
    };
    let (kind, tag) = match problem.severity {
        Severity::Error => ("error", "bad"),
        Severity::Warning => ("warning", "warn"),
        Severity::Info => ("info", ""),
    };
    html! {
        div class={ "problem " (kind) } {
            p {
                span class={ "tag " (tag) } { (problem.severity) " " (problem.code) }
                @if let Some(object) = &problem.object { " " strong { (object) } }
                @if !problem.field.is_empty() { " " code { (problem.field) } }
            }
            p { (problem.message) }
            @if !hint.is_empty() { p.dim { "Hint: " (hint) } }
            @if let Some(source) = &problem.source { p.dim { code { (source) } } }
        }
    }
}

fn routes(state: &State) -> Markup {
    let hosts = state.dump.hosts.iter();
    let rows = hosts.flat_map(|host| host.matches.iter().map(move |matched| (host, matched)));
    let count = state.dump.match_count();
    html! {
        section #routes data-live {
            h2 { "Routes " span.count { (count) } }
            @if count == 0 { p.dim { "none: no route of the manifests is in the table" } }
            @else {
                div.scroll { table {
                    thead { tr { th { "Listener" } th { "Host" } th { "Match" } th { "Rule" } th { "Backend" } } }
                    tbody {
                        @for (host, matched) in rows.take(ROUTES) {
                            tr {
                                td { (render::scope(&host.scope)) }
                                td.mono { (render::host_name(host)) }
                                td.mono.wrap { (render::path(matched)) }
                                td { (matched.route) }
                                td.mono { (render::backends(matched)) }
                            }
                        }
                    }
                } }
                (more(count, ROUTES, "silverback translate shows all"))
            }
        }
    }
}

fn listeners(status: &Status) -> Markup {
    html! {
        section #listeners data-live {
            h2 { "Listeners" }
            div.scroll { table { tbody {
                @for listener in &status.listeners {
                    tr {
                        td.mono.nowrap { @if listener.tls { "https" } @else { "http" } "://" (listener.address) }
                        td { (render::serves(listener)) }
                    }
                }
            } } }
        }
    }
}

fn workers(status: &Status) -> Markup {
    html! {
        section #workers data-live {
            h2 { "Workers" }
            div.scroll { table {
                thead { tr {
                    th { "Worker" }
                    @for name in ["Requests", "Connections", "Traps", "Restarts"] { th.number { (name) } }
                } }
                tbody {
                    @for worker in &status.workers {
                        tr {
                            td { (worker.worker) }
                            td.number { (worker.requests) }
                            td.number { (worker.connections) }
                            td.number {
                                @if worker.traps > 0 { span.tag.bad { (worker.traps) } } @else { "0" }
                            }
                            td.number { (worker.restarts) }
                        }
                    }
                }
            } }
            @if status.dropped > 0 {
                p.dim { (status.dropped) " lines of the access log or tail were dropped" }
            }
        }
    }
}

fn endpoints(status: &Status) -> Markup {
    let services = status.services.iter();
    let rows = services.flat_map(|service| {
        let endpoints = service.endpoints.iter().map(Some);
        let none = service.endpoints.is_empty().then_some(None);
        endpoints
            .chain(none)
            .map(move |endpoint| (service, endpoint))
    });
    let count = rows.clone().count();
    html! {
        section #endpoints data-live {
            h2 { "Endpoints " span.count { (count) } }
            div.scroll { table {
                thead { tr {
                    th { "Service" } th { "Endpoint" } th { "Health" } th { "Last try" }
                    th.number { "Answered" } th.number { "Failed" } th.number { "Timed out" }
                } }
                tbody {
                    @for (service, endpoint) in rows.take(ENDPOINTS) {
                        tr {
                            td { (service.namespace) "/" (service.name) ":" (service.port) }
                            @match endpoint {
                                Some(endpoint) => (self::endpoint(endpoint)),
                                None => td colspan="6" { span.tag.bad { "none" } " requests for it are answered with 503" },
                            }
                        }
                    }
                }
            } }
            (more(count, ENDPOINTS, "silverback status shows all"))
            p.dim { "Health is what the last try of a request came to; nobody asks endpoints without one." }
        }
    }
}

fn endpoint(endpoint: &Endpoint) -> Markup {
    let tag = match &*endpoint.health {
        "healthy" => "good",
        "failing" => "bad",
        _ => "",
    };
    html! {
        td.mono { (endpoint.address) @if endpoint.echo { " " span.tag { "echo" } } }
        td { span class={ "tag " (tag) } { (endpoint.health) } }
        td.nowrap { (render::last(endpoint)) }
        td.number { (endpoint.answered) }
        td.number { (endpoint.failed) }
        td.number { (endpoint.timed_out) }
    }
}

fn explain(asked: &Asked, answered: Option<&Result<Answered, Unanswered>>) -> Markup {
    html! {
        section #explain {
            h2 { "Explain" }
            form action="/#explain" method="get" {
                label { span { "URL" } input name="url" required placeholder="http://shop.example.com/cart" value=(asked.url); }
                label { span { "Method" } input name="method" placeholder="GET" value=(asked.method); }
                label { span { "Headers" } textarea name="header" rows="2" placeholder="name: value, one a line" { (asked.headers.join("\n")) } }
                button { "Explain" }
            }
            @match answered {
                None => {},
                Some(Ok(answered)) => pre #answer { (answered.text) },
                Some(Err(why)) => p.refused #answer { (why.message) " — " (why.hint) },
            }
        }
    }
}

fn tail(observed: &Observed) -> Markup {
    html! {
        section {
            h2 { "Requests " span.count #live-state { "as of now" } }
            div.scroll { table {
                thead { tr {
                    th { "Time (UTC)" } th { "Status" } th { "Request" } th { "Rule" } th { "Backend" } th { "Endpoint" }
                    @for name in ["Tries", "ms", "Bytes", "Worker"] { th.number { (name) } }
                } }
                tbody #tail { @for entry in observed.tail.last() { (row(&entry)) } }
            } }
        }
    }
}

/// As page.js makes them.
fn row(entry: &Entry) -> Markup {
    let tag = match entry.status {
        ..400 => "good",
        400..500 => "warn",
        500.. => "bad",
    };
    html! {
        tr {
            td.mono.nowrap { (entry.time.get(11..23).unwrap_or_default()) }
            td { span class={ "tag " (tag) } { (entry.status) } }
            td.mono.wrap { (entry.method) " " (entry.host) (entry.path) }
            td { @if let Some(rule) = &entry.rule { (rule) } }
            td { @if let Some(backend) = &entry.backend { (backend) } }
            td.mono { @if let Some(endpoint) = &entry.endpoint { (endpoint) } }
            td.number { (entry.tries) }
            td.number { (format!("{:.1}", entry.duration_ms)) }
            td.number { (entry.response_bytes) }
            td.number { (entry.worker) }
        }
    }
}

/// A line for what is not shown.
fn more(count: usize, shown: usize, how: &str) -> Markup {
    html! {
        @if count > shown { p.dim { "+" (count - shown) " more (" (how) ")" } }
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
