//! The callbacks of a request.

use wasmtime::Store;

use super::{ContextId, Worker, action};
use crate::abi::{Action, Phase};
use crate::error::Trap;
use crate::exchange::Exchange;
use crate::instance::{Callbacks, call};
use crate::state::State;

impl Worker {
    /// Creates the context of a request. After a trap this makes the instance anew first.
    pub fn open(&mut self) -> Result<ContextId, Trap> {
        self.release();
        self.ready()?;
        self.next_context += 1;
        let id = self.next_context;
        let root = self.root;
        let Some(root_id) = self.root_id(root) else {
            return Err(Trap::plain("no root context", Vec::new()));
        };
        self.run(Phase::Start, root, Some(id), |callbacks, store| {
            call(&callbacks.context_create, store, (id, root_id))
        })?;
        self.open.insert(id);
        Ok(ContextId::new(id, self.generation()))
    }

    /// [`Worker::open`] for a filter that reads the request in its context's constructor.
    pub fn open_for(&mut self, exchange: &mut Exchange) -> Result<ContextId, Trap> {
        // Before the request goes in: making the instance anew is nobody's request.
        self.ready()?;
        self.begin(exchange);
        let opened = self.lend(exchange, Self::open);
        opened.unwrap_or_else(|| self.open())
    }

    /// `on_http_request_headers`. As in Kong it always says that more follows (Kong facts 6);
    /// otherwise the truth, so the embedder's `request_body` must be there already.
    pub fn on_request_headers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        self.begin(exchange);
        let count = len(exchange.request_headers.len());
        let end = !exchange.strict
            && exchange.request_body.is_none()
            && exchange.request_trailers.is_empty();
        self.call(
            id,
            Phase::RequestHeaders,
            exchange,
            |callbacks, store, id| callbacks.request_headers.call(store, id, count, end),
        )
    }

    /// `on_http_request_body`, for the whole body: once, with the end of the stream, or never when
    /// there is none (Kong facts 6). What is called again does nothing.
    pub fn on_request_body(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        let strict = self.strict();
        let size = match &exchange.request_body {
            Some(body) if !(exchange.body_shown || strict && body.is_empty()) => len(body.len()),
            _ => return Ok(Action::Continue),
        };
        exchange.body_shown = true;
        self.call(id, Phase::RequestBody, exchange, |callbacks, store, id| {
            call(&callbacks.request_body, store, (id, size, 1))
        })
    }

    /// `on_http_request_trailers`; ngx_wasm_module never calls it, so neither does strict mode.
    pub fn on_request_trailers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        if self.strict() {
            return Ok(Action::Continue);
        }
        let count = len(exchange.request_trailers.len());
        self.call(
            id,
            Phase::RequestTrailers,
            exchange,
            |callbacks, store, id| call(&callbacks.request_trailers, store, (id, count)),
        )
    }

    /// `on_http_response_headers`.
    pub fn on_response_headers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        let count = len(exchange.response_headers.len());
        self.call(
            id,
            Phase::ResponseHeaders,
            exchange,
            |callbacks, store, id| callbacks.response_headers.call(store, id, count, false),
        )
    }

    /// `on_http_response_body`, for the piece in [`crate::ExchangeParts::response_body`].
    pub fn on_response_body(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
        end_of_stream: bool,
    ) -> Result<Action, Trap> {
        let size = len(exchange.response_body.as_ref().map_or(0, Vec::len));
        if size == 0 && !end_of_stream {
            return Ok(Action::Continue);
        }
        self.call(id, Phase::ResponseBody, exchange, |callbacks, store, id| {
            call(
                &callbacks.response_body,
                store,
                (id, size, end_of_stream.into()),
            )
        })
    }

    /// `on_http_response_trailers`; ngx_wasm_module as Kong builds it never calls it, so neither
    /// does strict mode.
    pub fn on_response_trailers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        if self.strict() {
            return Ok(Action::Continue);
        }
        let count = len(exchange.response_trailers.len());
        self.call(
            id,
            Phase::ResponseTrailers,
            exchange,
            |callbacks, store, id| call(&callbacks.response_trailers, store, (id, count)),
        )
    }

    /// The request is over: `on_done`, then `on_log`.
    pub fn on_log(&mut self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        let logged = self.call(id, Phase::Log, exchange, |callbacks, store, id| {
            call(&callbacks.done, store, id)?;
            call(&callbacks.log, store, id).map(|()| 0)
        });
        logged.map(drop)
    }

    /// Deletes the context. Whatever else is called with it afterwards does nothing.
    pub fn close(&mut self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        if let Some(old) = self.retired(id) {
            let closed = old.close(id, exchange);
            self.release();
            return closed;
        }
        if !self.is_open(id) {
            self.release();
            return Ok(());
        }
        let deleted = self.call(id, Phase::Done, exchange, |callbacks, store, id| {
            call(&callbacks.delete, store, id).map(|()| 0)
        });
        self.closed(id);
        deleted.map(drop)
    }

    /// [`Worker::on_log`] and then [`Worker::close`].
    pub fn end(&mut self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        if self.retired.is_empty() && self.is_open(id) {
            exchange.strict = self.strict();
            let root = self.root;
            let ended = self.lend(exchange, |worker| {
                worker.run(Phase::Log, root, Some(id.id), |callbacks, store| {
                    call(&callbacks.done, store, id.id)?;
                    call(&callbacks.log, store, id.id)
                })?;
                worker.run(Phase::Done, root, Some(id.id), |callbacks, store| {
                    call(&callbacks.delete, store, id.id)
                })
            });
            self.closed(id);
            return ended.unwrap_or(Ok(()));
        }
        let logged = self.on_log(id, exchange);
        logged.and(self.close(id, exchange))
    }

    /// Nobody has the context any more.
    fn closed(&mut self, id: ContextId) {
        self.open.remove(&id.id);
        if let Some(state) = self.state_mut()
            && !state.calls.is_empty()
        {
            state.calls.retain(|o| o.call.context != Some(id));
        }
    }

    /// Whether the context is that of a request in the present instance, or in one that a reload
    /// replaced.
    pub fn is_open(&self, id: ContextId) -> bool {
        if id.generation == self.generation() {
            return !self.trapped() && self.open.contains(&id.id);
        }
        self.retired.iter().any(|old| old.is_open(id))
    }

    /// Runs a callback of a request with its exchange in the state.
    pub(super) fn call(
        &mut self,
        id: ContextId,
        phase: Phase,
        exchange: &mut Exchange,
        f: impl FnOnce(&Callbacks, &mut Store<State>, u32) -> wasmtime::Result<u32>,
    ) -> Result<Action, Trap> {
        if let Some(old) = self.retired(id) {
            return old.call(id, phase, exchange, f);
        }
        if !self.is_open(id) {
            return Ok(Action::Continue);
        }
        exchange.strict = self.strict();
        let root = self.root;
        let done = self.lend(exchange, |worker| {
            worker.run(phase, root, Some(id.id), |callbacks, store| {
                f(callbacks, store, id.id)
            })
        });
        let answered = exchange.local_response.is_some();
        // A local response stands whatever the callback returned.
        let act = |number| {
            if answered && phase < Phase::Log {
                Action::Pause
            } else {
                action(number)
            }
        };
        done.map_or(Ok(Action::Continue), |done| done.map(act))
    }

    /// Runs something with the exchange in the state, where host functions find it.
    fn lend<R>(&mut self, exchange: &mut Exchange, f: impl FnOnce(&mut Self) -> R) -> Option<R> {
        self.state_mut()?.exchange = Some(std::mem::take(exchange));
        let done = f(self);
        if let Some(taken) = self.state_mut().and_then(|state| state.exchange.take()) {
            *exchange = taken;
        }
        Some(done)
    }

    /// What strict mode must remember of a request before the filter changes it.
    fn begin(&self, exchange: &mut Exchange) {
        exchange.strict = self.strict();
        let noted = exchange.client_host.is_some() || exchange.request_headers.original().is_some();
        if exchange.strict && !noted {
            exchange.client_host = exchange.request_headers.get("host").map(<[u8]>::to_vec);
        }
    }

    pub(super) fn strict(&self) -> bool {
        self.state().is_some_and(|state| state.options.strict)
    }
}

fn len(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
