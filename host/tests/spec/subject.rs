//! What is tested: a set of objects in the one gateway.

use serde_json::Value;

use crate::ask::Ask;
use crate::client::Reply;
use crate::oracle::Classes;
use crate::upstream::of_echo;
use crate::world::world;

/// How many sets of objects are tried by default.
pub(crate) const SETS: u64 = 60;

/// A set of objects.
pub(crate) struct Subject {
    set: u64,
    pub(crate) objects: Vec<Value>,
    pub(crate) classes: Classes,
    pub(crate) problems: Vec<String>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) status: u16,
    /// Lines of the response, without those that say how it was sent.
    pub(crate) headers: Vec<(String, String)>,
    /// What the upstream said.
    pub(crate) upstream: Option<Value>,
}

/// Headers that every response has, or that belong to one connection.
const OF_TRANSPORT: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "date",
    "server",
    "via",
    "x-silverback-echo",
];

impl Subject {
    pub(crate) fn new(objects: &[Value], classes: &Classes) -> Self {
        let mut world = world().lock().unwrap();
        let set = world.next_set();
        world.publish(set, objects, classes);
        Self {
            set,
            objects: objects.to_vec(),
            classes: classes.clone(),
            problems: world.problems().into_iter().collect(),
        }
    }

    /// Sends a request.
    pub(crate) fn answer(&self, ask: &Ask) -> Seen {
        let mut world = world().lock().unwrap();
        world.publish(self.set, &self.objects, &self.classes);
        let (id, reply) = world.ask(ask);
        Seen::of(id, &reply)
    }
}

impl Seen {
    fn of(id: String, reply: &Reply) -> Self {
        let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
        let upstream = match body["number"].is_u64() {
            true => Some(body),
            false => of_echo(&body),
        };
        let lines = reply.headers.iter();
        let lines = lines.flat_map(|(name, values)| values.iter().map(move |v| (name, v)));
        let lines = lines.filter(|(name, _)| !OF_TRANSPORT.contains(&name.as_str()));
        Self {
            id,
            status: reply.status,
            headers: lines.map(|(n, v)| (n.clone(), v.clone())).collect(),
            upstream,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| value.as_str())
    }
}
