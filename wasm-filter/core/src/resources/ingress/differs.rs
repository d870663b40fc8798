//! What means something else to Kong Ingress Controller (kic-map.md 2.2): one info each.

use std::collections::{BTreeMap, BTreeSet};

use super::IngressPath;
use super::paths::IngressPathMatch;
use crate::problem::{Code, Finding};
use crate::resources::field::{Sink, quote};
use crate::table::model::{HostPattern, PathMatch};

/// Tells the first path or rule of each sort.
pub(super) fn tell(paths: &[IngressPath], sink: &mut Sink) {
    let literal = paths.iter().find_map(|path| {
        let text = literal(path)?;
        Some((path, "path", format!(
            "{} is taken as it is written; the traditional router of Kong takes it for a regular \
             expression",
            quote(text)
        )))
    });
    let wildcard = paths.iter().find_map(|path| match &path.host {
        HostPattern::Wildcard(suffix) => Some((path, "", format!(
            "*.{suffix} stands for one label, as Ingress says; in Kong it stands for several too"
        ))),
        _ => None,
    });
    let order = out_of_order(paths).map(|path| {
        let message = "the longer path comes first; in KIC every Exact, Prefix and regular \
                       expression comes before an ImplementationSpecific path";
        (path, "path", message.to_owned())
    });
    for (path, part, message) in [literal, wildcard, order].into_iter().flatten() {
        let field = match part {
            "" => format!("spec.rules[{}].host", path.rule),
            _ => format!(
                "spec.rules[{}].http.paths[{}].{part}",
                path.rule, path.index
            ),
        };
        sink.push(Finding::info(Code::KicDiffers, field, message));
    }
}

/// An Exact or Prefix path that would match other requests as a pattern.
fn literal(path: &IngressPath) -> Option<&str> {
    match &path.path {
        IngressPathMatch::Is(PathMatch::Exact(text) | PathMatch::Prefix(text)) => {
            let meta = |byte| b".+*?()[]{}|^$\\".contains(&byte);
            text.bytes().any(meta).then_some(text)
        }
        _ => None,
    }
}

/// An ImplementationSpecific path that is longer than a prefix or pattern of its host which takes
/// some of its requests in KIC.
fn out_of_order(paths: &[IngressPath]) -> Option<&IngressPath> {
    let mut prefixes: BTreeSet<(&HostPattern, &str)> = BTreeSet::new();
    let mut shortest: BTreeMap<&HostPattern, usize> = BTreeMap::new();
    for path in paths {
        match &path.path {
            IngressPathMatch::Is(PathMatch::Prefix(text)) => {
                prefixes.insert((&path.host, text));
            }
            IngressPathMatch::Is(PathMatch::Regex(regex)) => {
                let len = shortest.entry(&path.host).or_insert(usize::MAX);
                *len = regex.pattern.len().min(*len);
            }
            _ => {}
        }
    }
    paths.iter().find(|path| {
        let text = match &path.path {
            IngressPathMatch::Is(PathMatch::Text(text)) | IngressPathMatch::Unmarked(text) => text,
            _ => return false,
        };
        let host = &path.host;
        // Every prefix by segments of the text but itself.
        let slashes = text.match_indices('/').map(|(at, _)| at);
        let covered = slashes
            .filter_map(|at| text.get(..at))
            .any(|prefix| prefix.len().max(1) < text.len() && prefixes.contains(&(host, prefix)));
        covered || shortest.get(host).is_some_and(|len| *len < text.len())
    })
}
