//! What was probably meant by a name that is not known.

/// The known name that looks most like this one, whatever the case, if it is at least so much like it
/// (0 = nothing in common, 1 = the same).
pub(crate) fn nearest(
    asked: &str,
    least: f64,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    let asked = asked.to_ascii_lowercase();
    let likeness = |known: &'static str| {
        let lower = known.to_ascii_lowercase();
        (
            strsim::normalized_damerau_levenshtein(&asked, &lower),
            known,
        )
    };
    let all = known.into_iter().map(likeness);
    all.filter(|(similarity, _)| *similarity >= least)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}
