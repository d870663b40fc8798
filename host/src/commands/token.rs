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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_file_has_between_spaces_and_not_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let read = |content: &str| {
            std::fs::write(&file, content).unwrap();
            read(&file).map_err(|error| error.to_string())
        };
        assert_eq!(read(" secret\n"), Ok("secret".to_owned()));
        for nothing in ["", "\n", " \t\r\n"] {
            let error = read(nothing).unwrap_err();
            assert!(error.ends_with("there is no token in it"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        let error = super::read(&file).unwrap_err().to_string();
        assert!(error.ends_with("the token cannot be read"), "{error}");
    }

    #[test]
    fn a_token_that_no_header_can_have_is_not_shown() {
        let value = header("Bearer ", "secret\n").unwrap();
        assert_eq!(value, "Bearer secret");
        assert_eq!(format!("{value:?}"), "Sensitive");
        let error = header("Bearer ", "sec\nret").unwrap_err().to_string();
        assert!(!error.contains("ret"), "{error}");
    }
}
