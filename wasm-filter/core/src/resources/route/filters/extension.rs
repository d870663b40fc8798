//! `extensionRef`: KongPlugins.

use super::Context;
use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::unknown;

const GROUP: &str = "configuration.konghq.com";
const KIND: &str = "KongPlugin";

/// The name of a KongPlugin of the route's namespace; `None`: something that is no filter here,
/// which is told with `cost`.
pub(super) fn read(
    config: &Field<'_, '_>,
    context: Context,
    cost: &str,
    sink: &mut Sink,
) -> Read<Option<Box<str>>> {
    unknown::warn(config, &["group", "kind", "name"], sink);
    let (group, kind) = (config.key("group"), config.key("kind"));
    let group_text = group.text(sink)?.unwrap_or_default();
    let kind_text = kind.required_text(sink)?;
    if group_text != GROUP || kind_text != KIND {
        sink.push(
            kind.error(
                Code::InvalidKind,
                format!(
                    "{} of group {} cannot be a filter; {cost}",
                    quote(kind_text),
                    quote(group_text)
                ),
            )
            .hint("only KongPlugin of group configuration.konghq.com can"),
        );
        return Ok(None);
    }
    let name = config.key("name").required_name(sink)?;
    if context.backend {
        // Kong runs plugins before a backend is chosen.
        sink.push(config.error(
            Code::UnsupportedField,
            format!("plugins run for whole rules only; {cost}"),
        ));
        return Err(Reported);
    }
    Ok(Some(name.into()))
}
