//! The requests of the protocol by method and path, for whoever speaks HTTP.

use super::answer::Worker;
use super::{Node, PREFIX};
use crate::table::store::SharedData;

/// A request whose body is here.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Query without `?`; empty without.
    pub query: &'a str,
    /// Body.
    pub body: &'a [u8],
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl Node {
    /// Answers a request; `None` if it is none of the protocol.
    pub fn serve(
        &mut self,
        store: &impl SharedData,
        workers: impl FnOnce() -> Vec<Worker>,
        request: Request<'_>,
    ) -> Option<Reply> {
        let name = request.path.strip_prefix(PREFIX)?;
        match (request.method, name) {
            ("POST", "commit") => {
                let committed = self.commit(store, request.body);
                Some(reply(committed.map(|committed| (200, committed))))
            }
            ("GET", "status") => {
                let status = self.status(store, workers());
                Some(reply(status.map(|status| (200, status))))
            }
            ("GET", "ready") => {
                let ready = self.ready(store, workers());
                Some(reply(Ok((if ready.ready { 200 } else { 503 }, ready))))
            }
            ("PUT", name) => {
                let digest = name.strip_prefix("segments/")?;
                let stored = self.put(store, digest, request.query, request.body);
                let status = |known| if known { 200 } else { 201 };
                Some(reply(stored.map(|stored| (status(stored.known), stored))))
            }
            _ => None,
        }
    }
}

fn reply<T: serde::Serialize>(answer: Result<(u16, T), super::error::NodeError>) -> Reply {
    let (status, body) = match answer {
        Ok((status, answer)) => (status, serde_json::to_string(&answer)),
        Err(error) => (error.code.status(), serde_json::to_string(&error)),
    };
    // Numbers, texts and lists: nothing that JSON could not hold.
    let body = body.unwrap_or_default();
    Reply { status, body }
}
