//! The zones of a node, and the errors of using them.

/// What a full zone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Eviction {
    /// A set fails. The only safe choice (Kong facts 4.5).
    None,
    /// The least recently used value goes.
    Lru,
    /// As lru, by size class; what Kong does when nothing is said.
    #[default]
    Slru,
}

/// One zone to have: `nginx_wasm_shm_kv_<name> = <size> eviction=<eviction>` in kong.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneOptions {
    /// The text before the first `/` of its keys; `*` takes every other key.
    pub name: String,
    /// Bytes.
    pub size: usize,
    /// What it does when it is full.
    pub eviction: Eviction,
}

/// The zones of a node.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Key-value zones. Without any, every access is a trap (Kong facts 4.1).
    pub zones: Vec<ZoneOptions>,
    /// Queues by name, with their size in bytes.
    pub queues: Vec<(String, usize)>,
    /// Record [`crate::Violation`]s, and be as strict about queues as ngx_wasm_module.
    pub strict: bool,
}

impl StoreOptions {
    /// No zones, not strict.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more zone.
    pub fn zone(mut self, name: impl Into<String>, size: usize, eviction: Eviction) -> Self {
        self.zones.push(ZoneOptions {
            name: name.into(),
            size,
            eviction,
        });
        self
    }

    /// With one more queue.
    pub fn queue(mut self, name: impl Into<String>, size: usize) -> Self {
        self.queues.push((name.into(), size));
        self
    }

    /// In strict mode or not.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

/// Why the store does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The key is not there.
    #[error("no such key")]
    NotFound,
    /// Neither the key's own zone nor `*` exists.
    #[error(
        "no zone takes the key (hint: nginx_wasm_shm_kv = SIZE, or nginx_wasm_shm_kv_NAME for keys NAME/...)"
    )]
    NoZone,
    /// The value has another cas, or exists (cas 0), or does not (another cas than 0).
    #[error("the value's cas is {found}, not {expected}")]
    CasMismatch {
        /// What the caller named.
        expected: u32,
        /// What the value has, 0 for no value.
        found: u32,
    },
    /// No room, and nothing may be evicted.
    #[error(
        "the zone has no room for {size} bytes (hint: while a value grows, old and new both exist)"
    )]
    NoMemory {
        /// Node header, key and value.
        size: usize,
    },
}
