//! `requestRedirect` and `urlRewrite`.

use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::{host, path, unknown};
use crate::table::model::{HostPattern, PathEdit, PathMatch, Redirect, Rewrite};

/// "When empty": the schema's default.
const DEFAULT_STATUS: i64 = 302;

pub(super) fn read_redirect(config: &Field<'_, '_>, sink: &mut Sink) -> Read<Redirect> {
    unknown::warn(
        config,
        &["scheme", "hostname", "path", "port", "statusCode"],
        sink,
    );
    let scheme = config.key("scheme");
    let tls = match scheme.text(sink)? {
        None | Some("") => None,
        Some("http") => Some(false),
        Some("https") => Some(true),
        Some(other) => {
            sink.push(scheme.error(
                Code::InvalidValue,
                format!("{} is neither http nor https", quote(other)),
            ));
            return Err(Reported);
        }
    };
    let code = config.key("statusCode");
    let number = code.integer(sink)?.unwrap_or(DEFAULT_STATUS);
    let status = match u16::try_from(number) {
        Ok(status @ (301 | 302 | 303 | 307 | 308)) => status,
        _ => {
            sink.push(code.error(
                Code::InvalidValue,
                format!("{number} is none of 301, 302, 303, 307, 308"),
            ));
            return Err(Reported);
        }
    };
    let hostname = read_hostname(&config.key("hostname"), sink)?;
    if hostname.is_none() {
        // KIC then sends a path without scheme and host (kic-map 1.3).
        sink.push(config.info(
            Code::KicDiffers,
            "Location is absolute, with the request's host",
        ));
    }
    Ok(Redirect {
        status,
        tls,
        hostname,
        port: config.key("port").port(sink)?,
        path: read_path(&config.key("path"), sink)?,
    })
}

pub(super) fn read_rewrite(config: &Field<'_, '_>, sink: &mut Sink) -> Read<Rewrite> {
    unknown::warn(config, &["hostname", "path"], sink);
    Ok(Rewrite {
        hostname: read_hostname(&config.key("hostname"), sink)?,
        path: read_path(&config.key("path"), sink)?,
    })
}

/// Gateway API `PreciseHostname`.
fn read_hostname(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<Box<str>>> {
    let Some(text) = field.text(sink)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let message = match host::parse(text) {
        Ok(HostPattern::Exact(host)) => return Ok(Some(host)),
        Ok(_) => format!("{} is not one host", quote(text)),
        Err(message) => message,
    };
    sink.push(field.error(Code::InvalidHost, message));
    Err(Reported)
}

/// Gateway API `HTTPPathModifier`.
fn read_path(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<PathEdit>> {
    if field.is_absent() {
        return Ok(None);
    }
    field.object(sink)?;
    let kind = field.key("type");
    let text = kind.required_text(sink)?;
    let member = match text {
        "ReplaceFullPath" => "replaceFullPath",
        "ReplacePrefixMatch" => "replacePrefixMatch",
        other => {
            sink.push(kind.error(
                Code::UnsupportedField,
                format!("{} is not supported", quote(other)),
            ));
            return Err(Reported);
        }
    };
    unknown::warn(field, &["type", member], sink);
    let value = field.key(member);
    let Some(written) = value.text(sink)? else {
        return Err(value.missing(sink));
    };
    let parsed = if member == "replaceFullPath" {
        path::exact(written)
    } else {
        path::prefix(written)
    };
    match parsed {
        Ok(PathMatch::Prefix(path)) => Ok(Some(PathEdit::Prefix(path))),
        Ok(PathMatch::Exact(path)) => Ok(Some(PathEdit::Full(path))),
        // `exact` and `prefix` give nothing else.
        Ok(_) => Err(Reported),
        Err(message) => {
            sink.push(value.error(Code::InvalidPath, message));
            Err(Reported)
        }
    }
}
