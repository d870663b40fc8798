//! The shared data of the emulator, as the core's publisher sees it.

use silverback_core::table::store::{SharedData, StoreError};
use silverback_emulator::{SharedStore, StoreError as EmulatorError};

/// The emulator's store as a node. Reads under the lock, as the Lua side does: what is injected into the
/// reads of filters never reaches the publisher.
#[derive(Clone, Debug)]
pub struct EmulatorStore(pub SharedStore);

impl SharedData for EmulatorStore {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        match self.0.get_locked(key) {
            Ok(found) => Ok(Some(found)),
            Err(EmulatorError::NotFound) => Ok(None),
            Err(error) => Err(convert(error)),
        }
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        self.0.set(key, value, cas).map_err(convert)
    }
}

fn convert(error: EmulatorError) -> StoreError {
    match error {
        EmulatorError::CasMismatch { .. } => StoreError::CasMismatch,
        EmulatorError::NoMemory { .. } => StoreError::NoMemory,
        _ => StoreError::Unavailable,
    }
}
