//! Runs `translator.wasm`: Kubernetes objects in, routing table out.
//!
//! ```text
//! TranslatorEngine -compile-> TranslatorModule -start-> Session { Instance, kept objects }
//! ```
//!
//! The guest is a compiler that imports nothing and is not trusted to be free of bugs. It has
//! [`Limits`]; a trap loses the instance, never the session: a new one is brought up with the
//! objects that the session kept, without the object that is to blame.

mod bindings;
mod bisect;
mod convert;
mod instance;
mod kept;
mod limits;
mod module;
mod outlet;
mod session;

pub use limits::Limits;
pub use module::{Compiler, ModuleError, TranslatorEngine, TranslatorModule};
pub use outlet::{Changes, Segment};
pub use session::{Applied, Commit, Session, SessionError};
