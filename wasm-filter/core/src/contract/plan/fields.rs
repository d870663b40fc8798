//! The fields of a plan as they are, for a data plane that carries them out without keeping them.

use core::net::SocketAddr;

use super::{VERSION, decode};
use crate::contract::wire::{Reader, WireError};

/// Tag and value of each field, in the order of the plan.
#[derive(Debug)]
pub struct Fields<'p> {
    reader: Reader<'p>,
}

impl<'p> Fields<'p> {
    /// The fields behind the plan's head, and the head: epoch and rule.
    ///
    /// # Errors
    /// [`WireError`]: no plan of this version.
    pub fn of(plan: &'p [u8]) -> Result<(Self, u64, u64), WireError> {
        let mut reader = Reader::new(plan);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let (epoch, rule) = (reader.u64("epoch")?, reader.u64("rule")?);
        Ok((Self { reader }, epoch, rule))
    }
}

impl<'p> Iterator for Fields<'p> {
    type Item = Result<(u8, &'p [u8]), WireError>;

    /// After an error there is nothing to go on with.
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let tag = self.reader.u8("tag");
        Some(tag.and_then(|tag| Ok((tag, self.reader.prefixed("field")?))))
    }
}

/// The first of the endpoints in the value of [`super::tag::ENDPOINTS`].
///
/// # Errors
/// [`WireError`] if there is none that can be read.
pub fn first_endpoint(value: &[u8]) -> Result<SocketAddr, WireError> {
    decode::read_endpoint(&mut Reader::new(value), "endpoints")
}

/// Name and value in the value of [`super::tag::SET_HEADER`] or [`super::tag::ADD_HEADER`].
///
/// # Errors
/// [`WireError`] if it is no header that may be set.
pub fn header(value: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    decode::read_header(&mut Reader::new(value), "header")
}
