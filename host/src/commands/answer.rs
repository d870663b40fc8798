//! What the core's answer to `explain` does not know: how names of Services are looked up, and what
//! becomes of a rule's Kong plugins.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;

use crate::object::{self, ObjectKey};

/// Where documentation has its addresses (RFC 3849): no endpoint is there.
const PLACEHOLDERS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x5b, 0, 0, 0, 0, 0);

/// Addresses that stand for DNS names where nothing is looked up.
#[derive(Debug, Default)]
pub(super) struct Placeholders(BTreeMap<IpAddr, String>);

/// An object's name and its JSON.
pub(super) type Named = (ObjectKey, Arc<[u8]>);

/// What becomes of the plugins that a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plugins {
    /// Kong runs them; who tries the manifests out should know what `dev` does.
    Kong,
    /// This is `dev`, which does not go on without them.
    #[cfg(feature = "dev")]
    Refused,
    /// This is `dev --ignore-plugins`.
    #[cfg(feature = "dev")]
    Ignored,
}

/// Adds it to an answer. One that is not understood is left as it is.
pub(super) fn complete(answer: String, names: &Placeholders, plugins: Plugins) -> String {
    // Most answers need nothing, and of some there are many.
    if names.0.is_empty() && !answer.contains("\"plugins\"") {
        return answer;
    }
    let Ok(mut trace) = serde_json::from_str::<Value>(&answer) else {
        return answer;
    };
    names.name(&mut trace);
    plugins.note(&mut trace);
    trace.to_string()
}

// === impl Placeholders ===

impl Placeholders {
    /// One for each name, and the object that tells the translator of it.
    pub(super) fn of(names: impl IntoIterator<Item = String>) -> (Self, Vec<Named>) {
        let mut all = Self::default();
        let mut objects = Vec::new();
        for (name, number) in names.into_iter().zip(1_u128..) {
            let address = IpAddr::V6(Ipv6Addr::from_bits(PLACEHOLDERS.to_bits() + number));
            objects.push(object::resolved_name(&name, &[address]));
            all.0.insert(address, name);
        }
        (all, objects)
    }

    /// Puts the names where their placeholders are.
    fn name(&self, trace: &mut Value) {
        let backends = trace.get_mut("backends").and_then(Value::as_array_mut);
        for backend in backends.into_iter().flatten() {
            let endpoints = backend.get_mut("endpoints").and_then(Value::as_array_mut);
            let mut looked_up = false;
            for endpoint in endpoints.into_iter().flatten() {
                let address = endpoint.as_str().and_then(|text| text.parse().ok());
                let Some(address): Option<SocketAddr> = address else {
                    continue;
                };
                if let Some(name) = self.0.get(&address.ip()) {
                    *endpoint = format!("{name}:{}", address.port()).into();
                    looked_up = true;
                }
            }
            if looked_up {
                backend["lookedUp"] = true.into();
            }
        }
    }
}

// === impl Plugins ===

impl Plugins {
    fn note(self, trace: &mut Value) {
        if trace.get("plugins").is_none_or(Value::is_null) || trace["outcome"] != "route" {
            return;
        }
        let note = match self {
            Self::Kong => {
                "the rule's plugins run in Kong; `silverback dev` runs none and answers 500, or goes on \
                 without them with --ignore-plugins"
            }
            #[cfg(feature = "dev")]
            Self::Refused => {
                trace["outcome"] = "respond".into();
                trace["status"] = 500.into();
                "the rule asks for Kong plugins, and `silverback dev` runs none: it does not go on without \
                 them unless with --ignore-plugins"
            }
            #[cfg(feature = "dev")]
            Self::Ignored => "the rule's plugins are left out (--ignore-plugins); in Kong they run",
        };
        trace["note"] = note.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_become_the_names() {
        let (names, objects) = Placeholders::of(["a.example".to_owned(), "b.example".to_owned()]);
        let object: Value = serde_json::from_slice(&objects[1].1).expect("JSON");
        let address = object["addresses"][0].as_str().expect("an address");
        let answer = json!({"outcome": "route", "backends": [
            {"endpoints": [format!("[{address}]:443"), "10.0.0.1:80"]}, {"endpoints": []}]});
        let answer = complete(answer.to_string(), &names, Plugins::Kong);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!(
            answer["backends"],
            json!([{"endpoints": ["b.example:443", "10.0.0.1:80"], "lookedUp": true}, {"endpoints": []}])
        );
    }

    #[test]
    fn what_becomes_of_plugins_is_said() {
        let names = Placeholders::default();
        let of = |outcome, plugins| {
            let answer = json!({"outcome": outcome, "status": null, "plugins": {"set": "1"}});
            let answer = complete(answer.to_string(), &names, plugins);
            serde_json::from_str::<Value>(&answer).expect("JSON")
        };
        let kong = of("route", Plugins::Kong);
        assert_eq!(kong["outcome"], "route");
        assert!(
            kong["note"]
                .as_str()
                .is_some_and(|note| note.contains("--ignore-plugins"))
        );
        // Without a proxied request no plugin is missed.
        assert_eq!(of("redirect", Plugins::Kong)["note"], Value::Null);
        #[cfg(feature = "dev")]
        {
            let refused = of("route", Plugins::Refused);
            assert_eq!(
                (&refused["outcome"], &refused["status"]),
                (&"respond".into(), &500.into())
            );
            assert_eq!(of("route", Plugins::Ignored)["outcome"], "route");
        }
        let plain = json!({"outcome": "route"}).to_string();
        assert_eq!(complete(plain.clone(), &names, Plugins::Kong), plain);
    }
}
