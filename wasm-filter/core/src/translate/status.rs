//! Statuses as JSON, in the shape of `status` of each kind. Transition times are the host's.

use serde::Serialize;

use super::features;
use super::gateway::GatewayState;
use super::listener::ListenerState;
use super::listener_set::SetState;
use crate::object::Id;
use crate::resources::listener::GroupKind;
use crate::resources::route::parents::ParentRef;

/// One condition, without generation and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: &'static str,
    pub(crate) holds: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: Box<str>,
}

/// The status of a route before it is JSON; most have no message, so it is small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteStatus {
    pub(crate) generation: Option<i64>,
    pub(crate) parents: Box<[ParentStatus]>,
}

/// The status of a route at one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParentStatus {
    pub(crate) parent: ParentRef,
    pub(crate) conditions: Box<[Condition]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConditionJson<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
}

#[derive(Serialize)]
struct RouteJson<'a> {
    parents: Vec<ParentJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentJson<'a> {
    parent_ref: ParentRefJson<'a>,
    controller_name: &'a str,
    conditions: Vec<ConditionJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParentRefJson<'a> {
    group: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClassJson<'a> {
    conditions: Vec<ConditionJson<'a>>,
    supported_features: Vec<FeatureJson>,
}

#[derive(Serialize)]
struct FeatureJson {
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GatewayJson<'a> {
    conditions: Vec<ConditionJson<'a>>,
    listeners: Vec<ListenerJson<'a>>,
    /// Of a Gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_listener_sets: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenerJson<'a> {
    name: &'a str,
    supported_kinds: Vec<KindJson<'a>>,
    attached_routes: u32,
    conditions: Vec<ConditionJson<'a>>,
}

#[derive(Serialize)]
struct KindJson<'a> {
    group: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
struct PolicyJson<'a> {
    ancestors: Vec<AncestorJson<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AncestorJson<'a> {
    ancestor_ref: ParentRefJson<'a>,
    controller_name: &'a str,
    conditions: Vec<ConditionJson<'a>>,
}

/// The status of a policy that is in effect for these Services.
pub(crate) fn policy<'a>(
    services: impl Iterator<Item = &'a Id>,
    controller_name: &str,
    list: &[Condition],
    generation: Option<i64>,
) -> String {
    let ancestors = services.map(|service| AncestorJson {
        ancestor_ref: ParentRefJson {
            // As KIC writes it.
            group: "core",
            kind: service.kind.as_str(),
            namespace: Some(&service.namespace),
            name: &service.name,
            section_name: None,
            port: None,
        },
        controller_name,
        conditions: conditions(list, generation),
    });
    json(&PolicyJson {
        ancestors: ancestors.collect(),
    })
}

/// The status of a GatewayClass.
pub(crate) fn gateway_class(condition: &Condition, generation: Option<i64>) -> String {
    let features = features::SUPPORTED.iter();
    json(&ClassJson {
        conditions: conditions(core::slice::from_ref(condition), generation),
        supported_features: features.map(|name| FeatureJson { name }).collect(),
    })
}

/// The status of a Gateway; `attached` counts the routes of a listener.
pub(crate) fn gateway(state: &GatewayState, attached: impl Fn(&str) -> u32) -> String {
    json(&GatewayJson {
        conditions: conditions(&state.conditions, state.generation),
        listeners: listeners(&state.listeners, state.generation, attached),
        attached_listener_sets: Some(state.sets.values().filter(|set| set.accepted).count()),
    })
}

/// The status of a ListenerSet; `attached` counts the routes of a listener.
pub(crate) fn listener_set(state: &SetState, attached: impl Fn(&str) -> u32) -> String {
    json(&GatewayJson {
        conditions: conditions(&state.conditions, state.generation),
        listeners: listeners(&state.listeners, state.generation, attached),
        attached_listener_sets: None,
    })
}

fn listeners(
    list: &[ListenerState],
    generation: Option<i64>,
    attached: impl Fn(&str) -> u32,
) -> Vec<ListenerJson<'_>> {
    list.iter()
        .map(|listener| ListenerJson {
            name: &listener.surface.name,
            supported_kinds: listener.surface.kinds.iter().map(KindJson::of).collect(),
            attached_routes: attached(&listener.surface.name),
            conditions: conditions(&listener.conditions, generation),
        })
        .collect()
}

fn conditions(list: &[Condition], observed_generation: Option<i64>) -> Vec<ConditionJson<'_>> {
    list.iter()
        .map(|condition| ConditionJson {
            kind: condition.kind,
            status: if condition.holds { "True" } else { "False" },
            reason: condition.reason,
            message: &condition.message,
            observed_generation,
        })
        .collect()
}

fn json(value: &impl Serialize) -> String {
    // Structs of texts and numbers with text keys always can be written.
    serde_json::to_string(value).unwrap_or_default()
}

// === impl Condition ===

impl Condition {
    pub(crate) fn yes(kind: &'static str, reason: &'static str) -> Self {
        Self {
            kind,
            holds: true,
            reason,
            message: "".into(),
        }
    }

    pub(crate) fn no(
        kind: &'static str,
        reason: &'static str,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            kind,
            holds: false,
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn with(mut self, message: impl Into<Box<str>>) -> Self {
        self.message = message.into();
        self
    }
}

// === impl RouteStatus ===

impl RouteStatus {
    pub(crate) fn to_json(&self, controller_name: &str) -> String {
        let parents = self.parents.iter().map(|status| {
            let parent = &status.parent;
            ParentJson {
                parent_ref: ParentRefJson {
                    group: &parent.group,
                    kind: &parent.kind,
                    namespace: parent.namespace.as_deref(),
                    name: &parent.name,
                    section_name: parent.section.as_deref(),
                    port: parent.port,
                },
                controller_name,
                conditions: conditions(&status.conditions, self.generation),
            }
        });
        json(&RouteJson {
            parents: parents.collect(),
        })
    }
}

// === impl KindJson ===

impl<'a> KindJson<'a> {
    fn of(kind: &'a GroupKind) -> Self {
        Self {
            group: &kind.group,
            kind: &kind.kind,
        }
    }
}
