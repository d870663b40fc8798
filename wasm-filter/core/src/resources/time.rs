//! RFC 3339 times, as far as `creationTimestamp` needs them.

/// Seconds since 1970 of an RFC 3339 time; fractions are cut off. `None` for anything else.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // A longer text is no time; bounding it keeps the fraction's scan bounded.
    if bytes.len() < 20 || bytes.len() > 40 {
        return None;
    }
    let number = |at: usize, len: usize| -> Option<i64> {
        let digits = bytes.get(at..at.checked_add(len)?)?;
        digits.iter().try_fold(0i64, |sum, b| {
            b.is_ascii_digit()
                .then(|| sum * 10 + i64::from(b.wrapping_sub(b'0')))
        })
    };
    let is = |at: usize, set: &[u8]| bytes.get(at).is_some_and(|b| set.contains(b));
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let separators = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    // 60 is a leap second.
    if !separators || hour > 23 || minute > 59 || second > 60 || day < 1 || day > days(year, month)?
    {
        return None;
    }
    let mut at = 19;
    if is(at, b".") {
        let start = at + 1;
        at = start;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset = if is(at, b"Zz") {
        at += 1;
        0
    } else {
        let sign = if is(at, b"+") {
            1
        } else if is(at, b"-") {
            -1
        } else {
            return None;
        };
        let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
        if !is(at + 3, b":") || hours > 23 || minutes > 59 {
            return None;
        }
        at += 6;
        sign * (hours * 3600 + minutes * 60)
    };
    (at == bytes.len()).then(|| {
        days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    })
}

fn days(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Howard Hinnant's `days_from_civil`: years start in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_times_are_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:30:45Z", Some(951_827_445)),
            ("2026-11-23T00:00:00Z", Some(1_795_392_000)),
            ("2026-11-23T01:00:00+01:00", Some(1_795_392_000)),
            ("2026-11-22T22:30:00.123456-01:30", Some(1_795_392_000)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("0000-01-01T00:00:00Z", Some(-62_167_219_200)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-00-01T00:00:00Z", None),
            ("2023-01-01T24:00:00Z", None),
            ("2023-01-01T00:00:00", None),
            ("2023-01-01T00:00:00.Z", None),
            ("2023-01-01T00:00:00Zx", None),
            ("2023-01-01T00:00:00+0100", None),
            ("+023-01-01T00:00:00Z", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
