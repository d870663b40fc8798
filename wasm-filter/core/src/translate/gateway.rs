//! Gateway and its ListenerSets -> listeners, with their conditions (Gateway API `Gateway`).
//!
//! A Gateway is compiled together with its ListenerSets, because their listeners are one list, and
//! before the routes. They see only the [`Surface`](super::listener::Surface)s: what does not change
//! one of those (a condition, a generation) makes no route dirty.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::certificates::{self, Claim};
use super::classes::{self, Class};
use super::clients::{Checks, Clients};
use super::conflicts::Taken;
use super::deps::{Dep, Reads};
use super::listener::{self, Context, ListenerState};
use super::listener_set::{self, SetState};
use super::listeners;
use super::status::Condition;
use crate::object::Id;
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::gateway::Gateway;

/// What is made of one Gateway.
#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) ours: bool,
    pub(crate) generation: Option<i64>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) listeners: Vec<ListenerState>,
    /// Those that name it; none if it is not ours.
    pub(crate) sets: BTreeMap<Id, SetState>,
    pub(crate) findings: Vec<Finding>,
    /// Server names that its listeners have certificates for.
    pub(crate) claims: Box<[Claim]>,
    pub(crate) deps: Box<[Dep]>,
}

pub(crate) fn compile(
    id: &Id,
    object: &Object,
    gateway: &Gateway,
    mut reads: Reads<'_>,
    options: &Options,
) -> GatewayState {
    let mut state = GatewayState {
        ours: false,
        generation: object.generation,
        conditions: Vec::new(),
        listeners: Vec::new(),
        sets: BTreeMap::new(),
        findings: Vec::new(),
        claims: Box::default(),
        deps: Box::default(),
    };
    let class = classes::of_gateway(&mut reads, options, gateway.class.as_deref());
    match class {
        Class::Ours | Class::OursInvalid => state.ours = true,
        Class::Others => {}
        Class::Missing => state.findings.extend(gateway.class.as_ref().map(|name| {
            Finding::warning(
                Code::GatewayClassNotFound,
                "spec.gatewayClassName",
                format!("GatewayClass {name} does not exist; the Gateway is nobody's"),
            )
        })),
    }
    if state.ours {
        let rejected = rejected(class, gateway);
        let clients = Clients::of(id, &gateway.clients, &mut reads, &mut state.findings);
        let context = Context {
            owner: id,
            accepted: rejected.is_none(),
            clients: &clients,
        };
        let mut taken = Taken::default();
        let conflicts = taken.next(&gateway.listeners);
        for (spec, conflict) in gateway.listeners.iter().zip(conflicts) {
            let findings = &mut state.findings;
            let listener = listener::compile(&context, spec, conflict, &mut reads, findings);
            state.listeners.push(listener);
        }
        state.sets = listener_set::compile(&context, &gateway.sets, &mut taken, &mut reads);
        state.conditions = rejected.unwrap_or_else(|| summary(&state.listeners));
        if clients.insecure() {
            // "MUST be set to True if AllowInsecureFallback is used".
            state.conditions.push(
                Condition::yes("InsecureFrontendValidationMode", "ConfigurationChanged")
                    .with("clients without a valid certificate are served"),
            );
        }
    }
    state.claims = certificates::of_gateway(id, &state, object.created);
    state.deps = reads.into_deps();
    state
}

/// The conditions of a Gateway that is not accepted as a whole.
fn rejected(class: Class, gateway: &Gateway) -> Option<Vec<Condition>> {
    let (reason, message) = if class == Class::OursInvalid || gateway.parameters {
        ("InvalidParameters", "parameters are not supported")
    } else if gateway.foreign_address {
        (
            "UnsupportedAddress",
            "an address is neither IPAddress nor Hostname",
        )
    } else {
        return None;
    };
    Some(vec![
        Condition::no("Accepted", reason, message),
        Condition::no("Programmed", "Invalid", message),
    ])
}

fn summary(listeners: &[ListenerState]) -> Vec<Condition> {
    let programmed = listeners.iter().any(|l| l.surface.programmed);
    let all = listeners.iter().all(|l| l.surface.programmed);
    let some_invalid = "some listeners are not valid";
    vec![
        match (programmed || listeners.is_empty(), all) {
            (true, true) => Condition::yes("Accepted", "Accepted"),
            (true, false) => Condition::yes("Accepted", "ListenersNotValid").with(some_invalid),
            (false, _) => Condition::no("Accepted", "ListenersNotValid", "no listener is valid"),
        },
        if programmed {
            Condition::yes("Programmed", "Programmed")
        } else {
            Condition::no("Programmed", "Invalid", "no listener is programmed")
        },
    ]
}

// === impl GatewayState ===

impl GatewayState {
    /// Do routes that name the Gateway see the same?
    pub(crate) fn same_surface(&self, other: &Self) -> bool {
        self.ours == other.ours && same_listeners(&self.listeners, &other.listeners)
    }

    /// What was made of a ListenerSet.
    pub(crate) fn set(&self, id: &Id) -> Option<&SetState> {
        self.sets.get(id)
    }

    /// The listeners of a ListenerSet.
    pub(crate) fn listeners_of(&self, set: &Id) -> &[ListenerState] {
        self.set(set).map(|set| &*set.listeners).unwrap_or_default()
    }

    /// How clients are checked at each port where they are, and by which listeners: the names are
    /// those of the table.
    pub(crate) fn checks(&self, id: &Id) -> Checks {
        let mut checks = Checks::new();
        for (owner, listener) in self.all_listeners(id) {
            if let (Some(port), Some(check)) = (listener.surface.port, &listener.check) {
                // A port is asked for one thing, whichever of its listeners.
                let (_, names) = checks
                    .entry(port)
                    .or_insert_with(|| (check.clone(), BTreeSet::new()));
                names.insert(listeners::source(owner, listener));
            }
        }
        checks
    }

    /// All listeners, each with the object that it is written in.
    pub(crate) fn all_listeners<'s>(
        &'s self,
        id: &'s Id,
    ) -> impl Iterator<Item = (&'s Id, &'s ListenerState)> {
        let own = self.listeners.iter().map(move |listener| (id, listener));
        let sets = self
            .sets
            .iter()
            .flat_map(|(id, set)| set.listeners.iter().map(move |listener| (id, listener)));
        own.chain(sets)
    }
}

/// Do routes see the same of two lists?
pub(crate) fn same_listeners(a: &[ListenerState], b: &[ListenerState]) -> bool {
    let surfaces = |list| Iterator::map(<[ListenerState]>::iter(list), |l| &l.surface);
    surfaces(a).eq(surfaces(b))
}
