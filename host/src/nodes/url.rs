//! Where a node's Admin API is.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// `http://HOST[:PORT][/PREFIX]` or the same with https; Kong's default ports are 8001 and 8444.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeUrl {
    /// Over TLS?
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What comes before the paths of the protocol, without a slash at the end.
    pub prefix: String,
}

/// Why a text is no [`NodeUrl`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the URL of an Admin API: {why} (hint: https://10.0.0.7:8444)")]
pub struct NodeUrlError {
    text: String,
    why: &'static str,
}

// === impl NodeUrl ===

impl NodeUrl {
    /// `host:port` as a Host header has it.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl FromStr for NodeUrl {
    type Err = NodeUrlError;

    fn from_str(text: &str) -> Result<Self, NodeUrlError> {
        let error = |why| NodeUrlError {
            // A password in a URL must not reach a log.
            text: text
                .rsplit_once('@')
                .map_or(text, |(_, host)| host)
                .to_owned(),
            why,
        };
        let uri: Uri = text.parse().map_err(|_| error("it cannot be read"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(error("it begins with neither http:// nor https://")),
        };
        let authority = uri.authority().ok_or_else(|| error("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(error("it has a user; use --kong-admin-token"));
        }
        if uri.query().is_some() {
            return Err(error("it has a query"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(error("it has no host"));
        }
        let port = match (authority.port(), tls) {
            (Some(port), _) => port.as_u16(),
            (None, false) => 8001,
            (None, true) => 8444,
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("http://kong", "http://kong:8001"),
            ("https://kong", "https://kong:8444"),
            ("https://kong:444/admin/", "https://kong:444/admin"),
            ("http://[::1]:9", "http://[::1]:9"),
        ] {
            let url: NodeUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_url_is_said_without_its_secrets() {
        for (text, why) in [
            ("kong:8001", "neither http"),
            ("ftp://kong", "neither http"),
            ("http://", "cannot be read"),
            ("http://u:secret@kong", "it has a user"),
            ("http://kong?x=1", "it has a query"),
        ] {
            let error = text.parse::<NodeUrl>().expect_err(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
