//! The WebAssembly modules of Silverback: glue around `silverback-core`, and nothing else.
//!
//! | feature | module | boundary |
//! |---|---|---|
//! | `filter` | `silverback.wasm`, a proxy-wasm filter (wasm32-wasip1) | [`proxy::Proxy`] |
//! | `standalone` | `silverback-standalone.wasm`, both in one (wasm32-wasip1) | [`proxy::Proxy`] |
//! | `component` | `translator.wasm`, a component (wasm32-unknown-unknown) | `wit/translator.wit` |
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

#[cfg(all(feature = "component", target_family = "wasm"))]
mod component;
#[cfg(feature = "filter")]
pub mod config;
#[cfg(feature = "filter")]
pub mod envoy;
#[cfg(all(feature = "filter", target_family = "wasm"))]
mod http;
#[cfg(feature = "filter")]
pub mod json;
#[cfg(feature = "filter")]
pub mod metrics;
#[cfg(feature = "filter")]
pub mod minimal;
#[cfg(feature = "filter")]
mod orders;
#[cfg(feature = "filter")]
pub mod proxy;
#[cfg(feature = "filter")]
pub mod pull;
#[cfg(all(feature = "filter", target_family = "wasm"))]
mod root;
#[cfg(feature = "standalone")]
pub mod standalone;
#[cfg(feature = "filter")]
pub mod worker;

#[cfg(target_family = "wasm")]
mod section {
    #![allow(
        unsafe_code,
        reason = "a custom section has no safe attribute; on wasm it holds bytes and nothing refers to it"
    )]
    use silverback_core::contract::versions::VERSIONS;

    /// What the module was built for, for hosts (`silverback_core::contract::versions`).
    #[used]
    #[unsafe(link_section = "silverback")]
    static SILVERBACK: [u8; VERSIONS.len()] = VERSIONS;
}

#[cfg(all(feature = "filter", target_family = "wasm"))]
mod entry {
    #![allow(
        unsafe_code,
        reason = "the SDK's macro exports the module's start function"
    )]
    use proxy_wasm::traits::RootContext;

    use crate::proxy::{Host, Proxy as _};

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Info);
        // A panic is a bug here; the log says where before the host sees the trap.
        std::panic::set_hook(Box::new(|info| {
            let message = format!("silverback: {info}");
            Host::default().log(proxy_wasm::types::LogLevel::Critical, &message);
        }));
        proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> {
            Box::new(super::root::Root::default())
        });
    }}
}
