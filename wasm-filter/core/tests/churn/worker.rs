//! A worker: its views of the table, one lookup, and the judgement of what it said.

use std::cell::Cell;
use std::rc::Rc;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::store::view::{Unreadable, Views};

use crate::oracle::{Ask, Seen};
use crate::sim::Sim;
use crate::world::HEADER;
use crate::zone::{ReadFaults, Reader};

#[derive(Default)]
pub(crate) struct Worker {
    views: Views,
    scratch: Scratch,
    spin: u64,
    /// Numbers of the two newest tables that it answered from, newest first.
    newest: [u64; 2],
}

struct AskHeaders<'a>(&'a Ask);

impl Headers for AskHeaders<'_> {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let value = self.0.header.filter(|_| name == HEADER);
        judge(value.map(str::as_bytes))
    }
}

impl Worker {
    /// The oldest table that it may still answer from. A stale epoch record is one table old, and
    /// views fall back to the one before.
    pub(crate) fn floor(&self) -> u64 {
        self.newest[1].saturating_sub(1)
    }

    fn answer(&mut self, reader: &Reader<'_>, ask: &Ask) -> Result<(u64, Answer), Unreadable> {
        let entry = Entry {
            ingress: ask.ingress,
            listener: ask.listener,
        };
        let info = RequestInfo {
            host: ask.host.as_bytes(),
            path: ask.path.as_bytes(),
            method: ask.method.as_bytes(),
            ..RequestInfo::default()
        };
        self.spin = self.spin.wrapping_add(1);
        let (spin, scratch) = (Spin(self.spin), &mut self.scratch);
        self.views.answer(reader, |segments, epoch| {
            let answer = answer(
                segments,
                epoch,
                entry,
                &info,
                &AskHeaders(ask),
                spin,
                scratch,
            )?;
            Ok((epoch, answer))
        })
    }
}

impl Sim {
    /// One lookup of one worker; `hook` runs in the middle of it if it reads often enough.
    pub(crate) fn lookup(&self, at: usize, number: usize, faults: ReadFaults) {
        let Ok(mut worker) = self.workers[at].try_borrow_mut() else {
            // In the middle of a lookup.
            return;
        };
        let ask = &self.asks[number];
        let (before, there) = {
            let history = self.history.borrow();
            (history.seq(), history.current().is_some())
        };
        let reader = Reader {
            zone: &self.zone,
            worker: at,
            faults,
            came: Cell::new(0),
        };
        let answered = worker.answer(&reader, ask);
        self.lookups.set(self.lookups.get() + 1);
        let history = self.history.borrow();
        let after = history.seq();
        let clean = reader.came.get() == 0 && before == after && there;
        let (epoch, answer) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                assert!(!clean, "no answer without a fault: {error:?}");
                self.tally.add("not answered (503)");
                return;
            }
        };
        let plan;
        let seen = match answer {
            Answer::Reply(reply) => Seen::Status(reply.status()),
            Answer::Proxy => {
                plan = OwnedPlan::decode(&worker.scratch.plan).expect("a plan");
                assert_eq!(plan.epoch, epoch, "the plan is of another epoch");
                assert_eq!(plan.uri, None, "a path in normal form stays as it is");
                Seen::Proxy {
                    route: &plan.route_name,
                    service: &plan.service_name,
                    endpoints: &plan.endpoints,
                }
            }
        };
        let floor = if clean { before } else { worker.floor() };
        let mut tables = history.with_epoch(epoch, floor);
        let right = tables.find(|table| table.expected(number, ask).agrees(seen));
        let Some(table) = right.map(Rc::clone) else {
            let known: Vec<_> = history.with_epoch(epoch, 0).collect();
            let expected: Vec<_> = known.iter().map(|t| t.expected(number, ask)).collect();
            let worlds: Vec<_> = known.iter().map(|table| table.world()).collect();
            panic!(
                "a wrong answer of worker {at}, epoch {epoch}, tables {floor}..={after}, clean: {clean}\n\
                 {ask:#?}\nseen: {seen:#?}\nexpected: {expected:#?}\n{worlds:#?}"
            );
        };
        if table.seq < after {
            self.tally.add("answered from an older table");
        }
        if table.seq > worker.newest[0] {
            worker.newest = [table.seq, worker.newest[0]];
        }
        if let Seen::Proxy { .. } = seen {
            self.plans.set(self.plans.get() + 1);
        }
    }

    /// A worker begins anew, with nothing in its memory.
    pub(crate) fn restart_worker(&self, at: usize) {
        if let Ok(mut worker) = self.workers[at].try_borrow_mut() {
            let newest = self.history.borrow().seq();
            *worker = Worker::default();
            worker.newest = [newest; 2];
            self.tally.add("workers restarted");
        }
    }
}
