//! ListenerSets of a Gateway, with their conditions (Gateway API `ListenerSet`).

use std::collections::BTreeMap;

use super::conflicts::Taken;
use super::deps::Reads;
use super::listener::{self, Context, ListenerState};
use super::namespaces;
use super::status::Condition;
use crate::object::Id;
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::listener::From;
use crate::resources::listener_set::ListenerSet;

/// What is made of one ListenerSet.
#[derive(Debug)]
pub(crate) struct SetState {
    pub(crate) generation: Option<i64>,
    pub(crate) accepted: bool,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) listeners: Vec<ListenerState>,
    pub(crate) findings: Vec<Finding>,
}

/// Compiles the ListenerSets of a Gateway, whose context and listeners these are: "1. parent Gateway
/// 2. ListenerSet ordered by creation time (oldest first) 3. ListenerSet ordered alphabetically by
/// {namespace}/{name}".
pub(crate) fn compile(
    gateway: &Context<'_>,
    allowed: &From,
    taken: &mut Taken,
    reads: &mut Reads<'_>,
) -> BTreeMap<Id, SetState> {
    let mut sets: Vec<_> = reads.sets(gateway.owner).collect();
    sets.sort_by_cached_key(|(id, object, _)| {
        let created = (object.created.is_none(), object.created);
        (created, format!("{}/{}", id.namespace, id.name))
    });
    sets.into_iter()
        .map(|(id, object, set)| {
            let state = one(gateway, allowed, &id, object, set, taken, reads);
            (id, state)
        })
        .collect()
}

fn one(
    gateway: &Context<'_>,
    allowed: &From,
    id: &Id,
    object: &Object,
    set: &ListenerSet,
    taken: &mut Taken,
    reads: &mut Reads<'_>,
) -> SetState {
    let mut state = SetState {
        generation: object.generation,
        accepted: false,
        conditions: Vec::new(),
        listeners: Vec::new(),
        findings: Vec::new(),
    };
    let own = &gateway.owner.namespace;
    if !namespaces::allows(allowed, own, &id.namespace, reads) {
        let message = format!(
            "{} does not allow ListenerSets of this namespace",
            gateway.owner
        );
        state.conditions = both("NotAllowed", "NotAllowed", &message);
        state.findings.push(Finding::error(
            Code::NotAllowedByGateway,
            "spec.parentRef",
            message,
        ));
        return state;
    }
    let context = Context {
        owner: id,
        ..*gateway
    };
    let conflicts = taken.next(&set.listeners);
    for (spec, conflict) in set.listeners.iter().zip(conflicts) {
        let findings = &mut state.findings;
        let listener = listener::compile(&context, spec, conflict, reads, findings);
        state.listeners.push(listener);
    }
    let programmed = state.listeners.iter().any(|l| l.surface.programmed);
    let all = state.listeners.iter().all(|l| l.surface.programmed);
    state.accepted = programmed;
    state.conditions = if !gateway.accepted {
        let message = "the Gateway is not accepted";
        both("ParentNotAccepted", "ParentNotProgrammed", message)
    } else if !programmed {
        let message = "no listener is valid";
        both("ListenersNotValid", "ListenersNotValid", message)
    } else {
        let accepted = if all {
            Condition::yes("Accepted", "Accepted")
        } else {
            Condition::yes("Accepted", "ListenersNotValid").with("some listeners are not valid")
        };
        vec![accepted, Condition::yes("Programmed", "Programmed")]
    };
    state
}

/// Neither accepted nor programmed.
fn both(accepted: &'static str, programmed: &'static str, message: &str) -> Vec<Condition> {
    vec![
        Condition::no("Accepted", accepted, message),
        Condition::no("Programmed", programmed, message),
    ]
}
