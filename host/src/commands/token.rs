//! Tokens that are sent as headers.

use std::path::Path;

use anyhow::{Context, bail};
use http::HeaderValue;

/// The token in a file, without what surrounds it.
pub(super) fn read(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let token = std::fs::read_to_string(file)
        .with_context(|| format!("{shown}: the token cannot be read"))?;
    match token.trim() {
        "" => bail!("{shown}: there is no token in it"),
        token => Ok(token.to_owned()),
    }
}

/// A token as the value of a header, behind `prefix`. It is shown as "Sensitive".
pub(super) fn header(prefix: &str, token: &str) -> anyhow::Result<HeaderValue> {
    let value = HeaderValue::from_str(&[prefix, token.trim()].concat());
    let mut value = value.ok().context(
        "the token has characters that no header can have (hint: a line break in the middle?)",
    )?;
    value.set_sensitive(true);
    Ok(value)
}
