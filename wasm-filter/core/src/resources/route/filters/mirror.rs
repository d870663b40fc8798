//! `requestMirror`.

use super::super::backends::{KNOWN, RefTarget, read_target};
use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink};
use crate::resources::unknown;

/// A mirror whose backend is not looked up yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MirrorSpec {
    /// Path of its `backendRef`.
    pub(crate) field: Box<str>,
    pub(crate) target: RefTarget,
    pub(crate) numerator: u32,
    /// 1 or more.
    pub(crate) denominator: u32,
}

/// Gateway API `Fraction.denominator`.
const DEFAULT_DENOMINATOR: u32 = 100;

pub(super) fn read(config: &Field<'_, '_>, sink: &mut Sink) -> Read<MirrorSpec> {
    unknown::warn(config, &["backendRef", "percent", "fraction"], sink);
    let backend = config.key("backendRef");
    backend.required_object(sink)?;
    unknown::warn(&backend, &KNOWN, sink);
    let (numerator, denominator) = share(config, sink)?;
    Ok(MirrorSpec {
        field: backend.path().into(),
        // A reference that cannot be read is a reference that cannot be resolved: "this BackendRef
        // is invalid and must be dropped".
        target: read_target(&backend, sink).unwrap_or(RefTarget::Broken),
        numerator,
        denominator,
    })
}

fn share(config: &Field<'_, '_>, sink: &mut Sink) -> Read<(u32, u32)> {
    let (percent, fraction) = (config.key("percent"), config.key("fraction"));
    if !percent.is_absent() && !fraction.is_absent() {
        sink.push(fraction.error(
            Code::InvalidValue,
            "only one of percent and fraction may be given",
        ));
        return Err(Reported);
    }
    if !percent.is_absent() {
        let percent = number(&percent, 0, 100, sink)?.unwrap_or(100);
        return Ok((percent, 100));
    }
    if fraction.is_absent() {
        return Ok((1, 1));
    }
    fraction.object(sink)?;
    unknown::warn(&fraction, &["numerator", "denominator"], sink);
    let denominator = number(
        &fraction.key("denominator"),
        1,
        i32::MAX.unsigned_abs(),
        sink,
    )?
    .unwrap_or(DEFAULT_DENOMINATOR);
    let field = fraction.key("numerator");
    match number(&field, 0, denominator, sink)? {
        Some(numerator) => Ok((numerator, denominator)),
        None => Err(field.missing(sink)),
    }
}

fn number(field: &Field<'_, '_>, min: u32, max: u32, sink: &mut Sink) -> Read<Option<u32>> {
    let Some(number) = field.integer(sink)? else {
        return Ok(None);
    };
    match u32::try_from(number) {
        Ok(value) if (min..=max).contains(&value) => Ok(Some(value)),
        _ => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{number} is not from {min} to {max}"),
            ));
            Err(Reported)
        }
    }
}
