//! What a rule or a backend changes on the way (Gateway API `HTTPRouteFilter`; annotation
//! `konghq.com/rewrite`).

use super::service::ServicePort;

/// All changes. Requests are changed by the rule first, then by the backend; responses too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Filters {
    /// Changes of the request's headers.
    pub request_headers: HeaderEdits,
    /// Changes of the response's headers.
    pub response_headers: HeaderEdits,
    /// The request is answered with a redirect.
    pub redirect: Option<Redirect>,
    /// Another path or host for the upstream.
    pub rewrite: Option<Rewrite>,
    /// Copies of the request that go elsewhere.
    pub mirrors: Vec<Mirror>,
    /// Cross-origin requests are answered.
    pub cors: Option<Cors>,
}

/// [`Filters`] of a rule or backend, most of which have none: a pointer's size instead of 360 bytes,
/// which at 100,000 routes is 70 MB.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FewFilters(Option<Box<Filters>>);

static NONE: Filters = Filters {
    request_headers: HeaderEdits::NONE,
    response_headers: HeaderEdits::NONE,
    redirect: None,
    rewrite: None,
    mirrors: Vec::new(),
    cors: None,
};

/// Changes of headers: removed first, then set, then added. Each name is in at most one list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HeaderEdits {
    /// Replace all headers of the name.
    pub set: Vec<Header>,
    /// Come after what is there.
    pub add: Vec<Header>,
    /// Lower-case names of headers that are removed.
    pub remove: Vec<Box<str>>,
}

/// A header that is set or added.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// Lower case.
    pub name: Box<str>,
    /// Without control characters.
    pub value: Box<str>,
}

/// Where a redirect goes; what is `None` is the request's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `Some(true)` = https, `Some(false)` = http.
    pub tls: Option<bool>,
    /// The host.
    pub hostname: Option<Box<str>>,
    /// The port; `None`: that of the scheme if the redirect names a scheme, else the listener's.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathEdit>,
}

/// What the upstream sees instead; what is `None` is the request's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rewrite {
    /// The Host header.
    pub hostname: Option<Box<str>>,
    /// The path.
    pub path: Option<PathEdit>,
}

/// Another path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathEdit {
    /// This one (`ReplaceFullPath`). Begins with `/`.
    Full(Box<str>),
    /// The matched prefix becomes this (`ReplacePrefixMatch`), without trailing slash; "" = `/`.
    Prefix(Box<str>),
    /// Texts and captures of the path's pattern, one after the other (`konghq.com/rewrite`).
    Template(Vec<Piece>),
}

/// A part of a path template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Piece {
    /// This text.
    Text(Box<str>),
    /// The capture of this number, 1..=99; empty if it took no part.
    Capture(u8),
}

/// A copy of some requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mirror {
    /// Where it goes.
    pub service: ServicePort,
    /// How many requests of `denominator` are copied, 0..=denominator.
    pub numerator: u32,
    /// 1 or more.
    pub denominator: u32,
}

/// Cross-origin resource sharing (Gateway API `HTTPCORSFilter`, GEP-1767).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cors {
    /// `scheme://host[:port]` in lower case; `*` alone, or as the first labels of the host.
    pub origins: Vec<Box<str>>,
    /// May credentials be sent?
    pub credentials: bool,
    /// Methods, or `*`.
    pub methods: Vec<Box<str>>,
    /// Request headers, or `*`.
    pub headers: Vec<Box<str>>,
    /// Response headers that scripts may read, or `*`.
    pub expose: Vec<Box<str>>,
    /// Seconds that a preflight answer may be kept; 1 or more.
    pub max_age: u32,
}

// === impl Filters ===

impl Filters {
    /// Is nothing changed?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl FewFilters ===

impl From<Filters> for FewFilters {
    fn from(filters: Filters) -> Self {
        Self((!filters.is_empty()).then(|| Box::new(filters)))
    }
}

impl core::ops::Deref for FewFilters {
    type Target = Filters;

    fn deref(&self) -> &Filters {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl core::ops::DerefMut for FewFilters {
    fn deref_mut(&mut self) -> &mut Filters {
        self.0.get_or_insert_default()
    }
}

// === impl HeaderEdits ===

impl HeaderEdits {
    const NONE: Self = Self {
        set: Vec::new(),
        add: Vec::new(),
        remove: Vec::new(),
    };

    /// Is nothing changed?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
