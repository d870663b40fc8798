//! `kong.silverback.result`: what became of a plan, read in `on_log` only where a policy needs it.
//!
//! ```text
//! u8 version = 1 | u16 status | u8 count | count x (u8 endpoint index | u8 outcome)
//! ```

use super::wire::{Reader, WireError};

/// The version that this build writes and reads.
pub const VERSION: u8 = 1;

/// How one try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The upstream answered; the status says how.
    Answered = 0,
    /// No connection: refused, unreachable or reset before the answer; or an answer with a code of
    /// [`super::plan::RetryOn`], and another try after it.
    Failed = 1,
    /// A limit of [`super::plan::Timeouts`] or [`super::plan::Deadlines`] passed.
    TimedOut = 2,
}

/// One try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Try {
    /// Index into the plan's endpoints.
    pub endpoint: u8,
    /// How it ended.
    pub outcome: Outcome,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanResult {
    /// Status that the client got.
    pub status: u16,
    /// Every try in order.
    pub tries: Vec<Try>,
}

/// Appends the message of a [`PlanResult`] of these parts to `out`.
///
/// # Errors
/// [`WireError::Count`] for more than 255 tries.
pub fn encode(status: u16, tries: &[Try], out: &mut Vec<u8>) -> Result<(), WireError> {
    let count = u8::try_from(tries.len()).map_err(|_| WireError::Count("tries"))?;
    out.push(VERSION);
    out.extend_from_slice(&status.to_le_bytes());
    out.push(count);
    for one in tries {
        out.push(one.endpoint);
        out.push(one.outcome as u8);
    }
    Ok(())
}

// === impl PlanResult ===

impl PlanResult {
    /// Appends the message to `out`.
    ///
    /// # Errors
    /// [`WireError::Count`] for more than 255 tries.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        encode(self.status, &self.tries, out)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Any [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let status = reader.u16("status")?;
        let count = reader.u8("count")?;
        let mut tries = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let endpoint = reader.u8("tries")?;
            let outcome = match reader.u8("tries")? {
                0 => Outcome::Answered,
                1 => Outcome::Failed,
                2 => Outcome::TimedOut,
                _ => return Err(WireError::BadValue("tries")),
            };
            tries.push(Try { endpoint, outcome });
        }
        Ok(Self { status, tries })
    }
}
