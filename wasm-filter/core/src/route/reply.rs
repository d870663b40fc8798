//! The gateway's own answers.

/// The gateway's own answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 400: host or path have no normal form, or none as the rule rewrites it.
    BadRequest,
    /// 404: no rule.
    NotFound,
    /// 426: the rule wants TLS.
    UpgradeRequired,
    /// A redirect with this status.
    Redirect(u16),
    /// 200: a preflight of a cross-origin request.
    Preflight,
    /// 500: the rule's share for invalid backends, or a rule without any.
    NoBackend,
    /// 503: the same for gRPC, whose clients make UNAVAILABLE of it (`GRPCRouteRule.backendRefs`:
    /// "MUST receive an `UNAVAILABLE` status").
    NoGrpcBackend,
    /// 503: the backend has no endpoints.
    NoEndpoints,
    /// 500: the decision cannot be written as a plan.
    NoPlan,
}

// === impl Reply ===

impl Reply {
    /// The status code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Preflight => 200,
            Self::Redirect(status) => status,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::UpgradeRequired => 426,
            Self::NoBackend | Self::NoPlan => 500,
            Self::NoGrpcBackend | Self::NoEndpoints => 503,
        }
    }

    /// The message, in Kong's words where Kong has some; empty: there is no body.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Preflight | Self::Redirect(_) => "",
            Self::BadRequest => "Bad request",
            Self::NotFound => "no Route matched with those values",
            Self::UpgradeRequired => "Please use HTTPS protocol",
            Self::NoBackend | Self::NoGrpcBackend => "no existing backendRef provided",
            Self::NoEndpoints => "failure to get a peer from the ring-balancer",
            Self::NoPlan => "An unexpected error occurred",
        }
    }
}
