//! From a document to the objects in it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::source::Place;
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// Kinds without a namespace that ingress manifests come with. This is what the API server knows
/// from its resources and a file does not say; any other kind gets the namespace `default`, as
/// `kubectl apply` would give it.
const CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "GatewayClass",
    "IngressClass",
    "KongClusterPlugin",
    "KongLicense",
    "KongVault",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// The annotation in which `kubectl apply` keeps a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One object of a manifest.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name.
    pub key: ObjectKey,
    /// Its apiVersion, which the key has only the group of.
    pub api_version: String,
    /// The object as the translator takes it: JSON, pruned.
    pub json: Arc<[u8]>,
    /// Where it is.
    pub place: Place,
}

/// What one value of a file turned out to be.
pub(super) enum Content {
    Object(Value),
    /// Items of a `kind: List` with their index.
    List(Vec<Value>),
}

/// Takes a list apart.
pub(super) fn content(mut value: Value) -> Content {
    let kind = text(&value, "kind").unwrap_or_default().to_owned();
    let version = text(&value, "apiVersion").unwrap_or_default().to_owned();
    if !kind.ends_with("List") {
        return Content::Object(value);
    }
    let Some(Value::Array(mut items)) = value.get_mut("items").map(Value::take) else {
        return Content::Object(value);
    };
    // The items of an IngressList say nothing themselves.
    let of = kind.trim_end_matches("List");
    if !of.is_empty() {
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("apiVersion")
                .or_insert_with(|| Value::String(version.clone()));
            item.entry("kind")
                .or_insert_with(|| Value::String(of.to_owned()));
        }
    }
    Content::List(items)
}

/// What a file of another program is, and how it becomes manifests. Such files lie where manifests
/// do, and are no mistake.
fn foreign(value: &Value, file: &str) -> Option<(&'static str, &'static str)> {
    const KUSTOMIZE: &str = "skipped; render it: kustomize build DIR | silverback validate -f -";
    const HELM: &str = "skipped; render it: helm template DIR | silverback validate -f -";
    let group = text(value, "apiVersion").and_then(|version| version.split('/').next());
    if group == Some("kustomize.config.k8s.io") {
        return Some((
            "a kustomization, which is no object of the cluster",
            KUSTOMIZE,
        ));
    }
    let is_operation = |item: &Value| text(item, "op").is_some() && text(item, "path").is_some();
    let operations = value.as_array().filter(|items| !items.is_empty());
    if operations.is_some_and(|items| items.iter().all(is_operation)) {
        return Some(("a JSON patch, which is no object of the cluster", KUSTOMIZE));
    }
    let complete = value.get("apiVersion").is_some() && value.get("kind").is_some();
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    match name {
        _ if complete => None,
        "kustomization.yaml" | "kustomization.yml" => Some((
            "a kustomization, which is no object of the cluster",
            KUSTOMIZE,
        )),
        "Chart.yaml" => Some(("a Helm chart, which is no object of the cluster", HELM)),
        "values.yaml" | "values.yml" => Some(("values of a Helm chart, no object", HELM)),
        _ => None,
    }
}

/// Makes an object of a value, or says why it is none.
pub(super) fn object(mut value: Value, place: Place) -> Result<Object, Box<Problem>> {
    let wrong = |severity, message: &str, hint: &str| {
        Box::new(
            Problem::new("NotAnObject", severity, message)
                .hint(hint)
                .at(place.start()),
        )
    };
    if let Some((message, hint)) = foreign(&value, &place.file.name) {
        return Err(wrong(Severity::Warning, message, hint));
    }
    if !value.is_object() {
        return Err(wrong(
            Severity::Error,
            "not a Kubernetes object: not a mapping",
            "a manifest starts with apiVersion and kind",
        ));
    }
    let (Some(api_version), Some(kind)) = (text(&value, "apiVersion"), text(&value, "kind")) else {
        let (severity, message) = match (value.get("apiVersion"), value.get("kind")) {
            // Other programs keep their YAML in the same directories.
            (None, None) => (
                Severity::Warning,
                "not a Kubernetes object: no apiVersion, no kind",
            ),
            (None, _) => (Severity::Error, "not a Kubernetes object: no apiVersion"),
            (_, None) => (Severity::Error, "not a Kubernetes object: no kind"),
            _ => (
                Severity::Error,
                "not a Kubernetes object: apiVersion and kind have to be strings",
            ),
        };
        return Err(wrong(severity, message, "skipped"));
    };
    let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
    let metadata = value.get("metadata").unwrap_or(&Value::Null);
    let Some(name) = text(metadata, "name").filter(|name| !name.is_empty()) else {
        let hint = if metadata.get("generateName").is_some() {
            "only an API server makes names from generateName"
        } else {
            "give it a metadata.name"
        };
        return Err(wrong(
            Severity::Error,
            &format!("{kind} without a name"),
            hint,
        ));
    };
    let name = name.to_owned();
    let namespace = match text(metadata, "namespace") {
        _ if CLUSTER_SCOPED.contains(&&*kind) => "",
        None | Some("") => "default",
        Some(namespace) => namespace,
    }
    .to_owned();

    let key = ObjectKey::new(&api_version, &kind, &namespace, &name);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        if namespace.is_empty() {
            metadata.shift_remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), Value::String(namespace));
        }
    }
    prune(&mut value);
    let json = value.to_string().into_bytes().into();
    Ok(Object {
        key,
        api_version,
        json,
        place,
    })
}

/// Removes what no translation reads, and what is often the biggest part of an object.
pub fn prune(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.shift_remove("managedFields");
    let empty = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
        .is_some_and(|annotations| {
            annotations.shift_remove(LAST_APPLIED).is_some() && Map::is_empty(annotations)
        });
    if empty {
        metadata.shift_remove("annotations");
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field)?.as_str()
}
