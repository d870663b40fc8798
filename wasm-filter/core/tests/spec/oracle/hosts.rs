//! Hosts of requests, rules and listeners.

/// A host as rules and listeners name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    Exact(String),
    /// What follows `*.`.
    Wild(String),
    Any,
}

impl Host {
    /// "Hostname is the fully qualified domain name of a network host", or absent, which "matches
    /// all hostnames".
    pub(crate) fn read(text: Option<&str>) -> Self {
        let text = text.unwrap_or_default().to_ascii_lowercase();
        match text.strip_prefix("*.") {
            Some(suffix) => Self::Wild(suffix.to_owned()),
            None if text.is_empty() => Self::Any,
            None => Self::Exact(text),
        }
    }

    /// "Hostnames that are prefixed with a wildcard label (`*.`) are interpreted as a suffix match.
    /// That means that a match for `*.example.com` would match both `test.example.com`, and
    /// `foo.test.example.com`, but not `example.com`." (Gateway API)
    pub(crate) fn fits(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            Self::Wild(suffix) => first_labels(host, suffix).is_some(),
        }
    }

    /// "The wildcard character '*' must appear by itself as the first DNS label and matches only a
    /// single label." (Kubernetes `IngressRule.host`)
    pub(crate) fn fits_one_label(&self, host: &str) -> bool {
        match self {
            Self::Wild(suffix) => {
                first_labels(host, suffix).is_some_and(|labels| !labels.contains('.'))
            }
            _ => self.fits(host),
        }
    }

    /// "Exact matches MUST be processed before wildcard matches, and wildcard matches MUST be
    /// processed before fallback (empty Hostname value) matches. [...] the higher the number of dots
    /// in the hostname to the right of the wildcard character, the higher the precedence." Less is
    /// better. Of the wildcards that fit one host, the one with more dots is the longer one.
    pub(crate) fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(_) => (0, 0),
            Self::Wild(suffix) => (1, usize::MAX - suffix.len()),
            Self::Any => (2, 0),
        }
    }

    /// "A Listener with `*.example.com` as the hostname matches HTTPRoutes that have either not
    /// specified any hostnames or have specified at least one hostname that matches". What remains is
    /// the more specific of both.
    pub(crate) fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, host) | (host, Self::Any) => Some(host.clone()),
            (Self::Exact(a), Self::Exact(b)) => (a == b).then(|| self.clone()),
            (Self::Exact(name), wild @ Self::Wild(_))
            | (wild @ Self::Wild(_), Self::Exact(name)) => {
                wild.fits(name).then(|| Self::Exact(name.clone()))
            }
            (Self::Wild(a), Self::Wild(b)) => {
                if a == b || first_labels(a, b).is_some() {
                    Some(self.clone())
                } else {
                    first_labels(b, a).map(|_| other.clone())
                }
            }
        }
    }
}

/// What is before `.suffix`, at least one label.
fn first_labels<'h>(host: &'h str, suffix: &str) -> Option<&'h str> {
    let labels = host.strip_suffix(suffix)?.strip_suffix('.')?;
    (!labels.is_empty()).then_some(labels)
}

/// The normal form of a Host header: "lower case, without port and trailing dot". `None`: 400.
/// "Implementations MUST ignore any port value specified in the HTTP Host header while performing a
/// match" (Gateway API `HTTPRouteSpec.hostnames`).
pub(crate) fn of_request(authority: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(authority).ok()?.to_ascii_lowercase();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        return Some(format!("[{address}]"));
    }
    let name = match text.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return None,
        None => &text,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return text.is_empty().then(String::new);
    }
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(allowed)
    };
    name.split('.').all(label).then(|| name.to_owned())
}

fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}
