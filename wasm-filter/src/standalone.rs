//! `silverback-standalone.wasm`: filter and translator in one module.
//!
//! It takes Kubernetes objects in its filter configuration and needs no host: no shared data, no
//! watch, nothing to push. For trying out, for tests of a data plane, and for routes that change as
//! rarely as the configuration. Everything else is as in `silverback.wasm`: the same core, the same
//! contract.
//!
//! ```json
//! {"ports": [{"port": 8000, "ingress": true, "listener": 80}],
//!  "options": {"ingressClass": "kong"},
//!  "objects": [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", ...}, ...]}
//! ```

use serde_json::Value;
use silverback_core::problem::{Problem, Severity};
use silverback_core::table::build::TableBuilder;
use silverback_core::translate::{Applied, Options, Translator};

use crate::config::{Config, ConfigError};

/// The table that a configuration's objects make.
#[derive(Debug)]
pub struct Standalone {
    translator: Translator,
    number: u64,
    refused: Vec<Problem>,
    /// `apiVersion` and `kind` of objects that are not read.
    ignored: Vec<String>,
}

/// A configuration is refused as a whole.
#[derive(Debug)]
pub enum StandaloneError {
    /// Not JSON.
    Json(serde_json::Error),
    /// `options` are not the translator's.
    Options(serde_json::Error),
    /// `objects` is no list.
    Objects,
    /// The rest is not the filter's configuration.
    Config(ConfigError),
}

impl core::fmt::Display for StandaloneError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const HINT: &str = "(hint: see silverback-standalone.meta.json)";
        match self {
            Self::Json(error) => write!(f, "filter configuration refused: {error} {HINT}"),
            Self::Options(error) => {
                write!(f, "filter configuration refused: `options`: {error} {HINT}")
            }
            Self::Objects => write!(
                f,
                "filter configuration refused: `objects` must be a list of Kubernetes objects {HINT}"
            ),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl Standalone {
    /// Reads a configuration and translates its objects. One bad object costs itself only.
    ///
    /// # Errors
    /// [`StandaloneError`], for the log.
    pub fn parse(json: &[u8]) -> Result<(Config, Self), StandaloneError> {
        let mut objects = Vec::new();
        // Every object in a configuration is there on purpose.
        let mut options = Options {
            accept_all_classes: true,
            ..Options::default()
        };
        let mut rest = Vec::new();
        if !json.iter().all(u8::is_ascii_whitespace) {
            let mut value: Value = serde_json::from_slice(json).map_err(StandaloneError::Json)?;
            if let Some(members) = value.as_object_mut() {
                match members.remove("objects") {
                    None => {}
                    Some(Value::Array(list)) => objects = list,
                    Some(_) => return Err(StandaloneError::Objects),
                }
                if let Some(given) = members.remove("options") {
                    options = serde_json::from_value(given).map_err(StandaloneError::Options)?;
                }
            }
            rest = serde_json::to_vec(&value).map_err(StandaloneError::Json)?;
        }
        let config = Config::parse(&rest).map_err(StandaloneError::Config)?;
        let mut standalone = Self {
            translator: Translator::new(options),
            number: 0,
            refused: Vec::new(),
            ignored: Vec::new(),
        };
        for object in objects {
            standalone.apply(object);
        }
        standalone.translator.commit();
        let digest = standalone.translator.table().root_digest();
        standalone.number = digest
            .first_chunk()
            .map_or(1, |head| u64::from_le_bytes(*head));
        Ok((config, standalone))
    }

    fn apply(&mut self, mut object: Value) {
        // `kubectl get -o json` gives a List.
        if object.get("kind").and_then(Value::as_str) == Some("List")
            && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
        {
            // A List holds objects, and no further Lists.
            items.into_iter().for_each(|item| self.apply_one(&item));
            return;
        }
        self.apply_one(&object);
    }

    fn apply_one(&mut self, object: &Value) {
        let Ok(json) = serde_json::to_vec(object) else {
            return;
        };
        match self.translator.apply(&json) {
            Applied::Stored(_) | Applied::Unchanged(_) => {}
            Applied::Ignored { api_version, kind } => {
                self.ignored.push(format!("{api_version} {kind}"));
            }
            Applied::Refused(problem) => self.refused.push(problem),
        }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &TableBuilder {
        self.translator.table()
    }

    /// A number for the table: another table has another one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is wrong with the objects, a line each, at most `most`; errors first.
    #[must_use]
    pub fn report(&self, most: usize) -> Vec<String> {
        let found = self
            .translator
            .problems()
            .flat_map(|(_, problems)| problems);
        let mut problems: Vec<&Problem> = self.refused.iter().chain(found).collect();
        problems.retain(|problem| problem.severity > Severity::Info);
        problems.sort_by_key(|problem| core::cmp::Reverse(problem.severity));
        let ignored = self.ignored.iter();
        let all = problems
            .iter()
            .map(|problem| problem.to_string())
            .chain(ignored.map(|kind| format!("{kind} is not a kind that is read")));
        let total = problems.len() + self.ignored.len();
        let mut lines: Vec<String> = all.take(most).collect();
        if total > most {
            lines.push(format!("{} more problems are not listed", total - most));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_as_a_whole() {
        for (name, json) in [
            ("no JSON", "{"),
            ("objects of another type", r#"{"objects": {}}"#),
            ("unknown options", r#"{"options": {"class": "kong"}}"#),
            ("an unknown field", r#"{"port": 1}"#),
            ("a bad port", r#"{"ports": [{"port": 0}], "objects": []}"#),
        ] {
            let error = Standalone::parse(json.as_bytes()).expect_err(name);
            assert!(error.to_string().contains("hint"), "{name}: {error}");
        }
    }

    #[test]
    fn nothing_at_all_is_an_empty_table() {
        let (config, standalone) = Standalone::parse(b"").expect("the default");
        assert_eq!(config, Config::default());
        assert_eq!(standalone.table().root().table_bytes(), 0);
    }

    #[test]
    fn a_bad_object_is_told_and_costs_nothing_else() {
        let json = r#"{"objects": [
            {"kind": "Ingress"},
            7,
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                 "metadata": {"name": "web"}, "spec": {"defaultBackend":
                 {"service": {"name": "web", "port": {"number": 80}}}}}]}
        ]}"#;
        let (_, standalone) = Standalone::parse(json.as_bytes()).expect("a configuration");
        let report = standalone.report(10).join("\n");
        assert!(standalone.table().root().table_bytes() > 0);
        for part in ["apiVersion", "Deployment", "BackendNotFound"] {
            assert!(report.contains(part), "{part}: {report}");
        }
        assert_eq!(standalone.report(1).len(), 2);
    }
}
