//! A node's shared data: the emulator's store as the core's publisher and a native worker see it.

use silverback_core::table::store::publish::zone_bytes;
use silverback_core::table::store::{SharedData, StoreError};
use silverback_emulator::{Eviction, SharedStore, StoreError as EmulatorError, StoreOptions};

/// The publisher's side: reads under the lock and without faults, as Kong's Lua side does.
#[derive(Debug, Clone)]
pub(crate) struct Writer(pub(crate) SharedStore);

/// A zone for a pool of so many pages, in strict mode.
pub(crate) fn zone(pages: u16) -> StoreOptions {
    StoreOptions::new()
        .zone("silverback", zone_bytes(pages), Eviction::None)
        .strict(true)
}

impl SharedData for Writer {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        read(self.0.get_locked(key))
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        self.0.set(key, value, cas).map_err(convert)
    }
}

/// What a filter sees of a get.
pub(crate) fn read(
    got: Result<(Vec<u8>, u32), EmulatorError>,
) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
    match got {
        Ok(found) => Ok(Some(found)),
        Err(EmulatorError::NotFound) => Ok(None),
        Err(error) => Err(convert(error)),
    }
}

fn convert(error: EmulatorError) -> StoreError {
    match error {
        EmulatorError::CasMismatch { .. } => StoreError::CasMismatch,
        EmulatorError::NoMemory { .. } => StoreError::NoMemory,
        _ => StoreError::Unavailable,
    }
}
