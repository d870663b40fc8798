//! The filter's configuration: JSON, described for Kong in `silverback.meta.json` (draft 4).

use serde::Deserialize;
use silverback_core::route::select::Entry;

/// What the filter is told about the data plane that it runs in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// What each port of the data plane serves. A port that is not listed serves the Gateway
    /// listeners with its own number and no Ingress.
    #[serde(default = "default_ports", deserialize_with = "objects")]
    pub ports: Vec<Port>,
}

/// One port of the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// The port that accepts connections, 1..=65535.
    pub port: core::num::NonZeroU16,
    /// Serves Ingress objects.
    #[serde(default)]
    pub ingress: bool,
    /// The port of the Gateway listeners that it serves, 1..=65535; absent = none.
    #[serde(default, deserialize_with = "present")]
    pub listener: Option<core::num::NonZeroU16>,
}

/// The most ports that a configuration may list.
const MAX_PORTS: usize = 1024;

/// A value that is there: `null` is none in `silverback.meta.json`, so it is none here.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A JSON object. What serde derives would take a list of the fields' values as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(core::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Object<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Visitor(core::marker::PhantomData))
    }
}

fn objects<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(object)| object).collect())
}

/// Why a configuration is refused.
#[derive(Debug)]
pub enum ConfigError {
    /// Not the JSON that `silverback.meta.json` describes.
    Json(serde_json::Error),
    /// A port is listed twice.
    DuplicatePort(u16),
    /// So many ports are listed.
    TooManyPorts(usize),
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Json(error) => write!(
                f,
                "filter configuration refused: {error} (hint: see silverback.meta.json)"
            ),
            Self::DuplicatePort(port) => write!(
                f,
                "filter configuration refused: port {port} is listed twice (hint: one entry of \
                 `ports` can serve both Ingress and listeners)"
            ),
            Self::TooManyPorts(ports) => write!(
                f,
                "filter configuration refused: {ports} ports are listed (hint: at most {MAX_PORTS})"
            ),
        }
    }
}

/// Kong's default ports stand for 80 and 443.
fn default_ports() -> Vec<Port> {
    [(8000, 80), (8443, 443)]
        .into_iter()
        .filter_map(|(port, listener)| {
            Some(Port {
                port: core::num::NonZeroU16::new(port)?,
                ingress: true,
                listener: core::num::NonZeroU16::new(listener),
            })
        })
        .collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: default_ports(),
        }
    }
}

impl Config {
    /// Reads a configuration; no bytes at all are the default.
    ///
    /// # Errors
    /// [`ConfigError`], for the log.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let Object(mut config): Object<Self> =
            serde_json::from_slice(json).map_err(ConfigError::Json)?;
        if config.ports.len() > MAX_PORTS {
            return Err(ConfigError::TooManyPorts(config.ports.len()));
        }
        // One by one: a sort would be 6 KB of the module.
        let mut ports: Vec<Port> = Vec::with_capacity(config.ports.len());
        for port in config.ports {
            match ports.binary_search_by_key(&port.port, |listed| listed.port) {
                Ok(_) => return Err(ConfigError::DuplicatePort(port.port.get())),
                Err(at) => ports.insert(at, port),
            }
        }
        config.ports = ports;
        Ok(config)
    }

    /// What a port serves.
    #[must_use]
    pub fn entry(&self, port: u16) -> Entry {
        // Sorted, by `parse` or by default.
        let at = self
            .ports
            .binary_search_by_key(&port, |listed| listed.port.get());
        let listed = at.ok().and_then(|at| self.ports.get(at));
        match listed {
            Some(listed) => Entry {
                ingress: listed.ingress,
                listener: listed.listener.map(core::num::NonZeroU16::get),
            },
            None => Entry {
                ingress: false,
                listener: Some(port),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_configuration_is_kong_s_default_ports() {
        let config = Config::parse(b" \n").unwrap();
        let entry = config.entry(8000);
        assert!(entry.ingress);
        assert_eq!(entry.listener, Some(80));
        assert_eq!(config.entry(9999).listener, Some(9999));
        assert!(!config.entry(9999).ingress);
    }

    #[test]
    fn what_is_refused() {
        for (name, json) in [
            ("no JSON", "{"),
            ("an unknown field", r#"{"port":1}"#),
            ("port 0", r#"{"ports":[{"port":0}]}"#),
            ("a port too large", r#"{"ports":[{"port":65536}]}"#),
            ("a port twice", r#"{"ports":[{"port":1},{"port":1}]}"#),
            ("another type", r#"{"ports":{}}"#),
        ] {
            let error = Config::parse(json.as_bytes()).expect_err(name);
            assert!(error.to_string().contains("hint"), "{name}: {error}");
        }
    }
}
