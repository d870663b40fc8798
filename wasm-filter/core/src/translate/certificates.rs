//! Which certificate is given out for which server name.
//!
//! As in KIC the first claim of a name wins: Ingress before listeners, older before younger. It wins
//! also while its Secret is missing, so that a certificate never changes hands because one was late.

use std::collections::{BTreeMap, BTreeSet};

use super::deps::Reads;
use super::gateway::GatewayState;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::View;
use crate::table::model::HostPattern;

/// Namespace and name of a Secret.
pub(crate) type SecretName = (Box<str>, Box<str>);

/// A name that an object has certificates for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) sni: HostPattern,
    /// Creation time of the object.
    pub(crate) created: Option<i64>,
    /// The field that claims it.
    pub(crate) field: Box<str>,
    /// All that it names, in the order of the object.
    pub(crate) secrets: Box<[SecretName]>,
    /// Those of them that can be given out.
    pub(crate) usable: Box<[SecretName]>,
}

/// Who comes first; the field parts claims of one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    /// Ingress comes before listeners, as in KIC.
    listener: bool,
    created: (bool, i64),
    /// `namespace/name`.
    name: Box<str>,
    id: Id,
    /// Position among the object's claims.
    index: usize,
}

/// All claims, who loses one, and what is given out.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    claims: BTreeMap<HostPattern, BTreeMap<Claimant, Claim>>,
    losers: BTreeMap<Id, BTreeMap<HostPattern, Vec<Finding>>>,
    /// Who loses a name.
    losers_of: BTreeMap<HostPattern, BTreeSet<Id>>,
    served: BTreeMap<SecretName, BTreeSet<HostPattern>>,
    /// What is served for a name.
    served_for: BTreeMap<HostPattern, Box<[SecretName]>>,
}

/// What a change of claims changed.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Secrets that serve other names now.
    pub(crate) secrets: BTreeSet<SecretName>,
    /// Objects whose problems changed.
    pub(crate) objects: BTreeSet<Id>,
}

/// A Secret for certificates: can it be given out, or what is wrong with it?
pub(crate) fn secret(
    reads: &mut Reads<'_>,
    namespace: &str,
    name: &str,
) -> Result<SecretName, String> {
    let id = Id::new(Kind::Secret, namespace, name);
    match reads.object(id.clone()).map(|object| &object.view) {
        Some(View::Secret(secret)) if secret.tls => match secret.fault {
            None => Ok((namespace.into(), name.into())),
            Some(fault) => Err(format!("{id} {fault}")),
        },
        Some(_) => Err(format!("{id} is not of type kubernetes.io/tls")),
        None => Err(format!("{id} does not exist")),
    }
}

/// The claims of the listeners of a Gateway and its ListenerSets.
pub(crate) fn of_gateway(id: &Id, state: &GatewayState, created: Option<i64>) -> Box<[Claim]> {
    let mut out = Vec::new();
    for (owner, listener) in state.all_listeners(id) {
        let Some(key) = listener.surface.key().filter(|_| listener.tls) else {
            continue;
        };
        let secrets: Box<[SecretName]> = listener
            .certificates
            .iter()
            .filter_map(|secret| secret.split_once('/'))
            .map(|(namespace, name)| (namespace.into(), name.into()))
            .collect();
        let name = &listener.surface.name;
        out.push(Claim {
            sni: key.hostname,
            created,
            field: if owner == id {
                format!("listener {name}").into()
            } else {
                format!("listener {name} of {owner}").into()
            },
            usable: secrets.clone(),
            secrets,
        });
    }
    out.into()
}

// === impl Certificates ===

impl Certificates {
    /// Replaces the claims of an object (an Ingress, or a Gateway or ListenerSet for its
    /// listeners); adds the names of which that may change the winner to `names`.
    pub(crate) fn replace(
        &mut self,
        id: &Id,
        old: &[Claim],
        new: &[Claim],
        names: &mut BTreeSet<HostPattern>,
    ) {
        if old == new {
            return;
        }
        for (index, claim) in old.iter().enumerate() {
            if let Some(claims) = self.claims.get_mut(&claim.sni) {
                claims.remove(&Claimant::of(id, claim, index));
                if claims.is_empty() {
                    self.claims.remove(&claim.sni);
                }
            }
            names.insert(claim.sni.clone());
        }
        for (index, claim) in new.iter().enumerate() {
            let claims = self.claims.entry(claim.sni.clone()).or_default();
            claims.insert(Claimant::of(id, claim, index), claim.clone());
            names.insert(claim.sni.clone());
        }
    }

    /// Finds the winner of a name anew.
    pub(crate) fn settle(&mut self, sni: &HostPattern, settled: &mut Settled) {
        let mut lost: BTreeMap<Id, Vec<Finding>> = BTreeMap::new();
        let mut usable: Box<[SecretName]> = Box::default();
        if let Some(claims) = self.claims.get(sni) {
            let mut claims = claims.iter();
            if let Some((winner, first)) = claims.next() {
                usable = first.usable.clone();
                for (claimant, claim) in claims {
                    if claim.secrets != first.secrets {
                        let finding = conflict(sni, claimant, claim, winner, first);
                        lost.entry(claimant.id.clone()).or_default().push(finding);
                    }
                }
            }
        }
        self.serve(sni, usable, settled);
        let before = self.losers_of.remove(sni).unwrap_or_default();
        for id in before.iter().filter(|id| !lost.contains_key(id)) {
            if let Some(names) = self.losers.get_mut(id) {
                names.remove(sni);
                if names.is_empty() {
                    self.losers.remove(id);
                }
            }
            settled.objects.insert(id.clone());
        }
        if !lost.is_empty() {
            let ids = lost.keys().cloned().collect();
            self.losers_of.insert(sni.clone(), ids);
        }
        for (id, findings) in lost {
            let names = self.losers.entry(id.clone()).or_default();
            if names.get(sni) != Some(&findings) {
                names.insert(sni.clone(), findings);
                settled.objects.insert(id);
            }
        }
    }

    fn serve(&mut self, sni: &HostPattern, usable: Box<[SecretName]>, settled: &mut Settled) {
        let before = self.served_for.remove(sni).unwrap_or_default();
        if before != usable {
            for secret in &before {
                if let Some(names) = self.served.get_mut(secret) {
                    names.remove(sni);
                    if names.is_empty() {
                        self.served.remove(secret);
                    }
                }
            }
            for secret in &usable {
                let names = self.served.entry(secret.clone()).or_default();
                names.insert(sni.clone());
            }
            settled.secrets.extend(before);
            settled.secrets.extend(usable.iter().cloned());
        }
        if !usable.is_empty() {
            self.served_for.insert(sni.clone(), usable);
        }
    }

    /// The names that a Secret's certificate is given out for; `None`: it is not.
    pub(crate) fn names(&self, secret: &SecretName) -> Option<&BTreeSet<HostPattern>> {
        self.served.get(secret)
    }

    /// What an object loses.
    pub(crate) fn lost_by(&self, id: &Id) -> impl Iterator<Item = &Finding> {
        let names = self.losers.get(id).into_iter();
        names.flat_map(|names| names.values().flatten())
    }
}

fn conflict(
    sni: &HostPattern,
    claimant: &Claimant,
    claim: &Claim,
    winner: &Claimant,
    first: &Claim,
) -> Finding {
    let owner = if claimant.id == winner.id {
        "this object".to_owned()
    } else {
        winner.id.to_string()
    };
    let message = format!(
        "the certificate for {sni} is that of {} of {owner}, which comes first",
        first.field
    );
    if claimant.listener {
        // On its own port the listener serves its own; only Kong has one list of names.
        let message = format!("{}: {message} in Kong", claim.field);
        return Finding::info(Code::CertificateConflict, "spec.listeners", message);
    }
    Finding::warning(Code::CertificateConflict, claim.field.clone(), message)
}

// === impl Claimant ===

impl Claimant {
    fn of(id: &Id, claim: &Claim, index: usize) -> Self {
        Self {
            listener: id.kind != Kind::Ingress,
            created: (claim.created.is_none(), claim.created.unwrap_or_default()),
            name: format!("{}/{}", id.namespace, id.name).into(),
            id: id.clone(),
            index,
        }
    }
}
