//! HTTP calls that the filter dispatched, and their answers.

use wasmtime::Store;

use super::Worker;
use crate::abi::Phase;
use crate::error::Trap;
use crate::exchange::Exchange;
use crate::http_call::{CallResponse, HttpCall, Outstanding, Resumed};
use crate::instance::{Callbacks, call};
use crate::state::State;

impl Worker {
    /// Takes the calls that are to be made. Each must be answered by
    /// [`Worker::on_http_call_response`], with `None` if it failed.
    pub fn pending_calls(&mut self) -> Vec<HttpCall> {
        let mut calls: Vec<_> = self
            .retired
            .iter_mut()
            .flat_map(Self::pending_calls)
            .collect();
        if let Some(state) = self.state_mut() {
            let new = state.calls.iter_mut().filter(|o| !o.taken);
            calls.extend(new.map(|outstanding| {
                outstanding.taken = true;
                outstanding.call.clone()
            }));
        }
        calls
    }

    /// Delivers the answer to a call; `None` stands for a failure, which the filter sees as an
    /// answer with 0 headers (Kong facts 5). `exchange` is that of the request that made the call,
    /// `None` if it was the root context. The answer to a call that nobody waits for any more
    /// (its request is over, or its instance gone) does nothing.
    pub fn on_http_call_response(
        &mut self,
        token: u32,
        response: Option<CallResponse>,
        exchange: Option<&mut Exchange>,
    ) -> Result<Resumed, Trap> {
        if let Some(old) = self.retired_caller(token) {
            return old.on_http_call_response(token, response, exchange);
        }
        let Some(state) = self.state_mut() else {
            return Ok(Resumed::default());
        };
        let Some(at) = state.calls.iter().position(|o| o.call.token == token) else {
            return Ok(Resumed::default());
        };
        let Outstanding {
            call: request,
            root,
            ..
        } = state.calls.remove(at);
        let response = response.unwrap_or_else(CallResponse::failed);
        let sizes = (
            response.headers.len(),
            response.body.len(),
            response.trailers.len(),
        );
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (headers, body, trailers) = (count(sizes.0), count(sizes.1), count(sizes.2));
        if let Some(state) = self.state_mut() {
            state.call_response = Some(response);
            state.resumed = Resumed::default();
        }
        let answer = move |callbacks: &Callbacks, store: &mut Store<State>, id: u32| {
            call(
                &callbacks.http_call_response,
                store,
                (id, token, headers, body, trailers),
            )
            .map(|()| 0)
        };
        let done = match (request.context, exchange) {
            (Some(id), Some(exchange)) if self.is_open(id) => self
                .call(id, Phase::CallResponse, exchange, answer)
                .map(drop),
            (Some(_), _) => Ok(()),
            (None, _) => match self.root_id(root) {
                Some(id) => {
                    let told = |callbacks: &Callbacks, store: &mut Store<State>| {
                        answer(callbacks, store, id)
                    };
                    self.run(Phase::CallResponse, root, None, told).map(drop)
                }
                None => Ok(()),
            },
        };
        let Some(state) = self.state_mut() else {
            return done.map(|()| Resumed::default());
        };
        state.call_response = None;
        let mut resumed = std::mem::take(&mut state.resumed);
        let waiting = state
            .calls
            .iter()
            .any(|other| other.call.context == request.context);
        if state.options.strict && request.context.is_some() {
            // ngx_wasm_module goes on by itself when the last call of a request is answered, and
            // not before, whatever the filter says.
            resumed = Resumed {
                request: !waiting,
                response: false,
            };
        }
        done.map(|()| resumed)
    }
}
