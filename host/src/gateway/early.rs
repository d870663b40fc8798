//! Answers that are given before the request was read to its end.

use std::rc::Rc;

use http::HeaderValue;
use http::header::CONNECTION;

use super::body::{RequestBody, ResponseBody};
use super::server::Reply;

/// The body of a request that was answered here and not read to its end.
pub(super) fn unread(reply: &Reply) -> Option<Rc<RequestBody>> {
    let ResponseBody::Full { transaction, .. } = reply.body() else {
        return None;
    };
    let body = transaction.as_ref()?.out.body.as_ref()?;
    (!body.is_read()).then(|| Rc::clone(body))
}

/// Tells an HTTP/1 client that its connection ends with this answer, unless the rest of its request is there
/// already (RFC 9112 9.6).
pub(super) async fn end(body: Rc<RequestBody>, mut reply: Reply) -> Reply {
    if !body.discard().await {
        let headers = reply.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}
