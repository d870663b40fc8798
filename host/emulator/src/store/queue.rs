//! Shared queues: first in, first out, between filters and workers.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::sync::lock;

/// Why a queue does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No queue has this name or id.
    #[error("could not find queue (hint: shm_queue NAME SIZE in nginx)")]
    NotFound,
    /// Nothing in it.
    #[error("the queue is empty")]
    Empty,
    /// No room for another item.
    #[error("could not enqueue (queue is full)")]
    Full,
}

/// Each item of ngx_wasm_module's ring buffer is preceded by its length.
const ITEM_HEADER: usize = 4;

#[derive(Debug)]
struct Queue {
    name: String,
    size: usize,
    used: usize,
    items: VecDeque<Vec<u8>>,
}

/// All queues of a node.
#[derive(Debug)]
pub(crate) struct Queues {
    queues: Mutex<Vec<Queue>>,
    /// Registering makes the queue; in ngx_wasm_module it must be declared.
    on_register: bool,
}

/// What a queue that was not declared may hold.
const UNDECLARED: usize = 1 << 20;

impl Queues {
    pub(crate) fn new(declared: &[(String, usize)], on_register: bool) -> Self {
        let queues = declared
            .iter()
            .map(|(name, size)| Queue::new(name, *size))
            .collect();
        Self {
            queues: Mutex::new(queues),
            on_register,
        }
    }

    pub(crate) fn register(&self, name: &str) -> Result<u32, QueueError> {
        if let Ok(id) = self.resolve(name) {
            return Ok(id);
        }
        if !self.on_register {
            return Err(QueueError::NotFound);
        }
        lock(&self.queues).push(Queue::new(name, UNDECLARED));
        self.resolve(name)
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<u32, QueueError> {
        let at = lock(&self.queues).iter().position(|q| q.name == name);
        at.and_then(|at| u32::try_from(at).ok())
            .ok_or(QueueError::NotFound)
    }

    pub(crate) fn push(&self, id: u32, item: &[u8]) -> Result<(), QueueError> {
        let mut queues = lock(&self.queues);
        let queue = queues.get_mut(id as usize).ok_or(QueueError::NotFound)?;
        let used = queue.used + item.len() + ITEM_HEADER;
        if used > queue.size {
            return Err(QueueError::Full);
        }
        queue.used = used;
        queue.items.push_back(item.to_vec());
        Ok(())
    }

    pub(crate) fn pop(&self, id: u32) -> Result<Vec<u8>, QueueError> {
        let mut queues = lock(&self.queues);
        let queue = queues.get_mut(id as usize).ok_or(QueueError::NotFound)?;
        let item = queue.items.pop_front().ok_or(QueueError::Empty)?;
        queue.used -= item.len() + ITEM_HEADER;
        Ok(item)
    }

    pub(crate) fn is_empty(&self, id: u32) -> bool {
        lock(&self.queues)
            .get(id as usize)
            .is_none_or(|q| q.items.is_empty())
    }

    pub(crate) fn clear(&self) {
        for queue in lock(&self.queues).iter_mut() {
            queue.items.clear();
            queue.used = 0;
        }
    }
}

impl Queue {
    fn new(name: &str, size: usize) -> Self {
        Self {
            name: name.to_owned(),
            size,
            used: 0,
            items: VecDeque::new(),
        }
    }
}
