//! Durations as the Gateway API writes them (GEP-2257).

use super::field::{Field, Read, Reported, Sink, quote};
use crate::problem::Code;

/// The longest duration that a data plane takes, in milliseconds: 24.8 days (Kong's
/// `upstream_*_timeout`).
pub(crate) const MAX: u32 = 0x7fff_fffe;

/// A duration in milliseconds, or absent. A longer one than [`MAX`] is cut.
pub(crate) fn read(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<u32>> {
    let Some(text) = field.text(sink)? else {
        return Ok(None);
    };
    let Some(millis) = parse(text) else {
        sink.push(
            field
                .error(
                    Code::InvalidDuration,
                    format!("{} is no duration; it is not in effect", quote(text)),
                )
                .hint("use one to four of h, m, s and ms, such as 1m30s or 500ms"),
        );
        return Err(Reported);
    };
    let cut = u32::try_from(millis).unwrap_or(MAX).min(MAX);
    if millis > u64::from(MAX) {
        sink.push(field.warning(
            Code::InvalidDuration,
            "is longer than 24 days and cut to them",
        ));
    }
    Ok(Some(cut))
}

/// "MUST match the regular expression `^([0-9]{1,5}(h|m|s|ms)){1,4}$`".
fn parse(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0;
    let mut components = 0;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (digits, _) = rest.split_at_checked(rest.len() - unit.len())?;
        if !(1..=5).contains(&digits.len()) {
            return None;
        }
        let (factor, tail) = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
            .into_iter()
            .find_map(|(name, factor)| Some((factor, unit.strip_prefix(name)?)))?;
        total += digits.parse::<u64>().ok()? * factor;
        rest = tail;
        components += 1;
    }
    (1..=4).contains(&components).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_to_four_components() {
        for (text, expected) in [
            ("0s", Some(0)),
            ("1h", Some(3_600_000)),
            ("01h", Some(3_600_000)),
            ("1m5s", Some(65_000)),
            ("5ms", Some(5)),
            ("1h30m30s500ms", Some(5_430_500)),
            ("99999h", Some(359_996_400_000)),
            ("1s1s1s1s", Some(4000)),
            ("1s1s1s1s1s", None),
            ("100000ms", None),
            ("", None),
            ("1", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("1d", None),
            ("1us", None),
            ("1S", None),
            ("1s ", None),
            ("١s", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
