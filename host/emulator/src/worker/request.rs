//! The callbacks of a request.

use super::{ContextId, Worker, action};
use crate::abi::{Action, Phase};
use crate::error::Trap;
use crate::exchange::Exchange;
use crate::instance::{HeadersCallback, Instance};

impl Worker {
    /// Creates the context of a request. After a trap this makes the instance anew first.
    pub fn open(&mut self) -> Result<ContextId, Trap> {
        self.ready()?;
        self.next_context += 1;
        let id = self.next_context;
        let root = self.root;
        let Some(root_id) = self.root_id(root) else {
            return Err(Trap::plain("no root context", Vec::new()));
        };
        self.run(Phase::Start, root, Some(id), |instance| {
            match &instance.callbacks.context_create {
                Some(f) => f.clone().call(&mut instance.store, (id, root_id)),
                None => Ok(()),
            }
        })?;
        self.open.insert(id);
        Ok(ContextId::new(id, self.generation()))
    }

    /// `on_http_request_headers`. As in Kong it always says that more follows (Kong facts 6);
    /// otherwise the truth, so the embedder's `request_body` must be there already.
    pub fn on_request_headers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        let strict = self.strict();
        exchange.strict = strict;
        if strict && exchange.client_host.is_none() {
            exchange.client_host = exchange.request_headers.get("host").map(<[u8]>::to_vec);
        }
        let count = len(exchange.request_headers.len());
        let end =
            !strict && exchange.request_body.is_none() && exchange.request_trailers.is_empty();
        self.call(id, Phase::RequestHeaders, exchange, |instance, id| {
            headers_call(instance, |i| &i.callbacks.request_headers, id, count, end)
        })
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
        self.call(
            id,
            Phase::RequestBody,
            exchange,
            |instance, id| match &instance.callbacks.request_body {
                Some(f) => f.clone().call(&mut instance.store, (id, size, 1)),
                None => Ok(0),
            },
        )
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
            |instance, id| match &instance.callbacks.request_trailers {
                Some(f) => f.clone().call(&mut instance.store, (id, count)),
                None => Ok(0),
            },
        )
    }

    /// `on_http_response_headers`.
    pub fn on_response_headers(
        &mut self,
        id: ContextId,
        exchange: &mut Exchange,
    ) -> Result<Action, Trap> {
        let count = len(exchange.response_headers.len());
        self.call(id, Phase::ResponseHeaders, exchange, |instance, id| {
            headers_call(
                instance,
                |i| &i.callbacks.response_headers,
                id,
                count,
                false,
            )
        })
    }

    /// `on_http_response_body`, for the piece in [`Exchange::response_body`].
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
        self.call(
            id,
            Phase::ResponseBody,
            exchange,
            |instance, id| match &instance.callbacks.response_body {
                Some(f) => f
                    .clone()
                    .call(&mut instance.store, (id, size, end_of_stream.into())),
                None => Ok(0),
            },
        )
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
            |instance, id| match &instance.callbacks.response_trailers {
                Some(f) => f.clone().call(&mut instance.store, (id, count)),
                None => Ok(0),
            },
        )
    }

    /// The request is over: `on_done`, then `on_log`.
    pub fn on_log(&mut self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        self.call(id, Phase::Log, exchange, |instance, id| {
            if let Some(f) = instance.callbacks.done.clone() {
                f.call(&mut instance.store, id)?;
            }
            match instance.callbacks.log.clone() {
                Some(f) => f.call(&mut instance.store, id).map(|()| 0),
                None => Ok(0),
            }
        })
        .map(drop)
    }

    /// Deletes the context. Whatever else is called with it afterwards does nothing.
    pub fn close(&mut self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        if !self.is_open(id) {
            return Ok(());
        }
        let deleted = self.call(id, Phase::Done, exchange, |instance, id| {
            match &instance.callbacks.delete {
                Some(f) => f.clone().call(&mut instance.store, id).map(|()| 0),
                None => Ok(0),
            }
        });
        self.open.remove(&id.id);
        if let Some(state) = self.state_mut() {
            state.calls.retain(|o| o.call.context != Some(id));
        }
        deleted.map(drop)
    }

    /// Whether the context is that of a request in the present instance.
    pub fn is_open(&self, id: ContextId) -> bool {
        !self.trapped() && id.generation == self.generation() && self.open.contains(&id.id)
    }

    /// Runs a callback of a request with its exchange in the state.
    pub(super) fn call(
        &mut self,
        id: ContextId,
        phase: Phase,
        exchange: &mut Exchange,
        f: impl FnOnce(&mut Instance, u32) -> wasmtime::Result<u32>,
    ) -> Result<Action, Trap> {
        if !self.is_open(id) {
            return Ok(Action::Continue);
        }
        exchange.strict = self.strict();
        if let Some(state) = self.state_mut() {
            state.exchange = Some(std::mem::take(exchange));
        }
        let done = self.run(phase, self.root, Some(id.id), |instance| f(instance, id.id));
        if let Some(taken) = self.state_mut().and_then(|state| state.exchange.take()) {
            *exchange = taken;
        }
        let answered = exchange.local_response.is_some();
        // A local response stands whatever the callback returned.
        done.map(|number| {
            if answered && phase < Phase::Log {
                Action::Pause
            } else {
                action(number)
            }
        })
    }

    pub(super) fn strict(&self) -> bool {
        self.state().is_some_and(|state| state.options.strict)
    }
}

fn headers_call(
    instance: &mut Instance,
    callback: impl FnOnce(&Instance) -> &HeadersCallback,
    id: u32,
    count: u32,
    end: bool,
) -> wasmtime::Result<u32> {
    match callback(instance).clone() {
        HeadersCallback::Absent => Ok(0),
        HeadersCallback::WithoutEnd(f) => f.call(&mut instance.store, (id, count)),
        HeadersCallback::WithEnd(f) => f.call(&mut instance.store, (id, count, end.into())),
    }
}

fn len(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
