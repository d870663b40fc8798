//! `requestHeaderModifier`, `responseHeaderModifier` (Gateway API `HTTPHeaderFilter`).

use std::collections::BTreeMap;

use super::super::conditions::read_name;
use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::unknown;
use crate::table::model::{Header, HeaderEdits};

/// Headers that say where a message ends or what the connection is: who changes them can smuggle
/// requests.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const MAX_VALUE: usize = 4096;

/// What was done with a header: the list.
type Done = BTreeMap<Box<str>, &'static str>;

pub(super) fn read(config: &Field<'_, '_>, request: bool, sink: &mut Sink) -> Read<HeaderEdits> {
    unknown::warn(config, &["set", "add", "remove"], sink);
    let mut done = Done::new();
    // All three are read before one fails, so that everything is told at once.
    let set = read_list(config, "set", request, &mut done, sink);
    let add = read_list(config, "add", request, &mut done, sink);
    let remove = read_remove(config, request, &mut done, sink);
    Ok(HeaderEdits {
        set: set?,
        add: add?,
        remove: remove?,
    })
}

fn read_list(
    config: &Field<'_, '_>,
    list: &'static str,
    request: bool,
    done: &mut Done,
    sink: &mut Sink,
) -> Read<Vec<Header>> {
    let field = config.key(list);
    let mut out = Vec::new();
    for (_, entry) in field.items(sink)? {
        entry.required_object(sink)?;
        unknown::warn(&entry, &["name", "value"], sink);
        let name = entry.key("name");
        let text = read_name(&name, sink)?.to_ascii_lowercase();
        let value = read_value(&entry.key("value"), sink)?;
        if once(&name, &text, list, request, done, sink)? {
            out.push(Header {
                name: text.into(),
                value,
            });
        }
    }
    Ok(out)
}

fn read_remove(
    config: &Field<'_, '_>,
    request: bool,
    done: &mut Done,
    sink: &mut Sink,
) -> Read<Vec<Box<str>>> {
    let field = config.key("remove");
    let mut out = Vec::new();
    for (_, entry) in field.items(sink)? {
        let text = read_name(&entry, sink)?.to_ascii_lowercase();
        if once(&entry, &text, "remove", request, done, sink)? {
            out.push(text.into());
        }
    }
    Ok(out)
}

fn read_value(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Box<str>> {
    let text = field.required_text(sink)?;
    let wrong = if text.len() > MAX_VALUE {
        Some(format!("has {} bytes, more than {MAX_VALUE}", text.len()))
    } else if text.chars().any(char::is_control) {
        Some("has control characters".to_owned())
    } else {
        None
    };
    match wrong {
        None => Ok(text.into()),
        Some(message) => {
            sink.push(field.error(Code::InvalidHeader, message));
            Err(Reported)
        }
    }
}

/// May the header be changed, and is it the first time? "Only one action for a given header name is
/// permitted. Filters specifying multiple actions of the same or different type for any one header
/// name are invalid"; but within one list "the first entry with an equivalent name MUST be
/// considered".
fn once(
    field: &Field<'_, '_>,
    name: &str,
    list: &'static str,
    request: bool,
    done: &mut Done,
    sink: &mut Sink,
) -> Read<bool> {
    if FRAMING.contains(&name) {
        sink.push(field.error(
            Code::InvalidHeader,
            format!(
                "{} belongs to the connection and cannot be changed",
                quote(name)
            ),
        ));
        return Err(Reported);
    }
    if request && name == "host" {
        sink.push(
            field
                .error(Code::InvalidHeader, "Host cannot be changed here")
                .hint("use a URLRewrite filter with `hostname`"),
        );
        return Err(Reported);
    }
    match done.insert(name.into(), list) {
        None => Ok(true),
        Some(before) if before == list => {
            sink.push(field.warning(
                Code::DuplicateName,
                format!(
                    "{} is in the list already; only the first counts",
                    quote(name)
                ),
            ));
            Ok(false)
        }
        Some(before) => {
            sink.push(field.error(
                Code::DuplicateName,
                format!("{} is in `{before}` already", quote(name)),
            ));
            Err(Reported)
        }
    }
}
