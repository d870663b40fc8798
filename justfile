# The commands of a contributor; none of them is needed to build or test (cargo does that).

[private]
default:
    @just --list --unsorted

# Everything, both .wasm files included
build:
    cargo build

# All tests
test:
    cargo test --workspace

# The Kong plugin: luacheck and tests under LuaJIT, without Kong
lua:
    bash .ci/lua.sh

# What CI checks besides tests
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    python3 .ci/check-crates.py

# A million requests during a hundred rollouts, none of which may fail
rollout REQUESTS="1000000" ROLLOUTS="100" SEED="4":
    SILVERBACK_REQUESTS={{ REQUESTS }} SILVERBACK_ROLLOUTS={{ ROLLOUTS }} SILVERBACK_SEED={{ SEED }} \
        cargo test --workspace --release --test rollout -- --nocapture

# Tables change and workers answer while everything fails that can (docs/simulation.md)
churn COMMITS="1000000" LOOKUPS="100000000" SEED="20261129":
    SILVERBACK_COMMITS={{ COMMITS }} SILVERBACK_LOOKUPS={{ LOOKUPS }} SILVERBACK_SEED={{ SEED }} \
        cargo test -p silverback-core --features std --release --test churn -- --nocapture

# Run a set of manifests; both modules are built and replaced when their sources change
dev PATH="examples/quickstart" *ARGS:
    cargo run --release -- dev {{ PATH }} --rebuild "cargo build --release --package silverback-guests" --rebuild-on wasm-filter/src,wasm-filter/core/src,wit {{ ARGS }}

# The built silverback.wasm into a Kong that runs: cluster [NAMESPACE [SELECTOR]], or local FILTERS [PREFIX]
kong-reload WHERE="cluster" *ARGS:
    cargo build --release --package silverback-guests
    wasm-filter/kong/reload.sh {{ WHERE }} target/wasm {{ ARGS }}

# Where does a request go?
explain *ARGS:
    cargo run --release -- explain {{ ARGS }}

# The examples as CI runs them
examples:
    cargo build --release
    python3 .ci/examples.py

# The status page in Chromium, as CI looks at it
status-page:
    cargo build --release
    python3 .ci/browser.py

# The filter in a real Envoy that pulls its table, as CI runs it
e2e-envoy:
    cargo build --release
    python3 .ci/envoy.py

# All benchmarks (docs/performance.md)
bench:
    cargo bench -p silverback-core --bench lookup
    cargo bench -p silverback-core --bench balance
    cargo bench -p silverback-core --bench publish
    cargo bench -p silverback-filter --bench guest
    cargo bench -p silverback-filter --bench request
    cargo bench -p silverback --bench translator
    cargo bench -p silverback-emulator
    cargo bench -p silverback --bench gateway
    cargo bench -p silverback --bench gateway_api

# The gateway alone: `throughput`, `memory` or `changes`, and seconds
bench-gateway *ARGS:
    cargo bench -p silverback --bench gateway -- {{ ARGS }}

# The tests of gateway-api-bench without a cluster: `probe`, `change`, `attached` or `scale`, and routes
bench-gateway-api *ARGS:
    cargo bench -p silverback --bench gateway_api -- {{ ARGS }}

# Mutants of matching and ranking that no test catches (needs cargo-mutants; docs/mutants.md)
mutants *ARGS:
    python3 .ci/mutants.py {{ ARGS }}

# Review changed snapshots (needs cargo-insta)
golden:
    cargo insta review

# The whole gate
ci:
    .ci/run

# Filter and translator in one module: target/wasm/silverback-standalone.wasm
standalone:
    cargo build -p silverback-filter --lib --features standalone --profile wasm --target wasm32-wasip1 --target-dir target/guests/standalone
    cp target/guests/standalone/wasm32-wasip1/wasm/silverback_filter.wasm target/wasm/silverback-standalone.wasm
    cp wasm-filter/silverback-standalone.meta.json target/wasm/
