//! `v1` Secret: that it exists, of which type, and whether it looks like a certificate. Its data is
//! never kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::field::{Field, Sink};

/// What is read of a Secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    /// Type `kubernetes.io/tls`.
    pub(crate) tls: bool,
    /// Why one of that type has no certificate and key; `None` also if it has no data at all, as
    /// where data is withheld from the translator.
    pub(crate) fault: Option<&'static str>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Secret {
    let tls = root.key("type").text(sink) == Ok(Some("kubernetes.io/tls"));
    Secret {
        tls,
        fault: tls.then(|| fault(root)).flatten(),
    }
}

fn fault(root: &Field<'_, '_>) -> Option<&'static str> {
    let (data, plain) = (root.key("data"), root.key("stringData"));
    if data.is_absent() && plain.is_absent() {
        return None;
    }
    let has = |key: &str, label: &str| {
        // Nothing of a Secret is quoted, not even what is wrong with it.
        let mut ignored = Sink::default();
        let text = plain.key(key).text(&mut ignored).ok().flatten();
        match text {
            Some(text) => is_pem(text.as_bytes(), label),
            None => {
                let text = data.key(key).text(&mut ignored).ok().flatten();
                let text: String = text.unwrap_or_default().split_whitespace().collect();
                STANDARD
                    .decode(text)
                    .is_ok_and(|bytes| is_pem(&bytes, label))
            }
        }
    };
    if !has("tls.crt", "CERTIFICATE-----") {
        Some("has no certificate in PEM as tls.crt")
    } else if !has("tls.key", "PRIVATE KEY-----") {
        Some("has no private key in PEM as tls.key")
    } else {
        None
    }
}

/// Has it a block with this end of a label? ("RSA PRIVATE KEY" is one too. Text may come before.)
pub(super) fn is_pem(bytes: &[u8], label: &str) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let line = |start: &str| {
        text.lines()
            .any(|line| line.starts_with(start) && line.trim_end().ends_with(label))
    };
    line("-----BEGIN ") && line("-----END ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(secret: &Value) -> Option<&'static str> {
        read(&Field::root(secret), &mut Sink::default()).fault
    }

    #[test]
    fn a_tls_secret_has_certificate_and_key_in_pem() {
        let pem = |label: &str| {
            format!("# text before\n-----BEGIN {label}-----\nAA==\n-----END {label}-----\n")
        };
        let (cert, key) = (pem("CERTIFICATE"), pem("RSA PRIVATE KEY"));
        let encode = |text: &str| STANDARD.encode(text);
        for (data, plain, good) in [
            (json!(null), json!(null), true),
            (
                json!({"tls.crt": encode(&cert), "tls.key": encode(&key)}),
                json!(null),
                true,
            ),
            (json!(null), json!({"tls.crt": cert, "tls.key": key}), true),
            (
                json!({"tls.crt": encode(&cert)}),
                json!({"tls.key": key}),
                true,
            ),
            (json!({"tls.crt": encode(&cert)}), json!(null), false),
            (json!({}), json!(null), false),
            (
                json!({"tls.crt": encode(&key), "tls.key": encode(&cert)}),
                json!(null),
                false,
            ),
            (json!({"tls.crt": cert, "tls.key": key}), json!(null), false),
            (
                json!({"tls.crt": "SGVsbG8gd29ybGQK", "tls.key": "SGVsbG8gd29ybGQK"}),
                json!(null),
                false,
            ),
            (json!({"tls.crt": 7, "tls.key": []}), json!(7), false),
        ] {
            let secret = json!({"type": "kubernetes.io/tls", "data": data, "stringData": plain});
            assert_eq!(of(&secret).is_none(), good, "{secret}");
            let opaque = json!({"type": "Opaque", "data": data});
            assert_eq!(of(&opaque), None);
        }
    }
}
