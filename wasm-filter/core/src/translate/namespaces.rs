//! Namespaces whose objects may attach to a listener or Gateway (`allowedRoutes.namespaces`,
//! `allowedListeners.namespaces`).

use std::collections::BTreeMap;

use super::deps::Reads;
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::resources::listener::From;

/// Every namespace has this label, set by the API server.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// May an object of `namespace` attach to one of `own`?
pub(crate) fn allows(from: &From, own: &str, namespace: &str, reads: &mut Reads<'_>) -> bool {
    match from {
        From::Same => own == namespace,
        From::All => true,
        From::None => false,
        From::Selector(selector) => {
            let object = reads.object(Id::new(Kind::Namespace, "", namespace));
            let mut labels = match object.map(|object| &object.view) {
                Some(View::Namespace(namespace)) => namespace.labels.clone(),
                _ => BTreeMap::new(),
            };
            labels.insert(NAME_LABEL.into(), namespace.into());
            selector.selects(&labels)
        }
    }
}
