//! The filter's configuration: JSON, described for Kong in `silverback.meta.json` (draft 4).

use std::rc::Rc;

use silverback_core::route::select::Entry;

use crate::json::{JsonError, Reader};
use crate::pull::config::PullConfig;

/// What the filter is told about the data plane that it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What each port of the data plane serves. A port that is not listed serves the Gateway
    /// listeners with its own number and no Ingress.
    pub ports: Vec<Port>,
    /// What carries the decisions out.
    pub data_plane: DataPlane,
    /// Whom to ask for the table; `None`: somebody pushes it.
    pub pull: Option<Rc<PullConfig>>,
}

/// What carries the filter's decisions out (docs/contract.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataPlane {
    /// Kong with the plugin `silverback`, or the embedded gateway: the contract's properties.
    #[default]
    Kong,
    /// Envoy, by headers of an ORIGINAL_DST cluster.
    Envoy,
    /// Kong without the plugin, by its own properties.
    KongMinimal,
}

/// One port of the data plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The port that accepts connections, 1..=65535.
    pub port: core::num::NonZeroU16,
    /// Serves Ingress objects.
    pub ingress: bool,
    /// The port of the Gateway listeners that it serves, 1..=65535; absent = none.
    pub listener: Option<core::num::NonZeroU16>,
}

/// The most ports that a configuration may list.
const MAX_PORTS: usize = 1024;

/// Why a configuration is refused.
#[derive(Debug)]
pub enum ConfigError {
    /// Not the JSON that `silverback.meta.json` describes.
    Json(JsonError),
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

fn read(reader: &mut Reader<'_>) -> Result<Config, JsonError> {
    let (mut ports, mut data_plane, mut pull) = (None, None, None);
    reader.object(&mut |reader, name| {
        match name {
            "ports" if ports.is_none() => {
                let mut list = Vec::new();
                reader.list(&mut |reader| {
                    list.push(Port::read(reader)?);
                    Ok(())
                })?;
                ports = Some(list);
            }
            "dataPlane" if data_plane.is_none() => {
                let name = reader.string()?;
                data_plane = Some(match &*name {
                    "kong" => DataPlane::Kong,
                    "envoy" => DataPlane::Envoy,
                    "kong-minimal" => DataPlane::KongMinimal,
                    _ => return Err(reader.error("a data plane that is not known")),
                });
            }
            "pull" if pull.is_none() => pull = Some(Rc::new(PullConfig::read(reader)?)),
            name => return Err(reader.unexpected(name)),
        }
        Ok(())
    })?;
    Ok(Config {
        ports: ports.unwrap_or_else(default_ports),
        data_plane: data_plane.unwrap_or_default(),
        pull,
    })
}

// === impl Port ===

impl Port {
    fn read(reader: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut port, mut ingress, mut listener) = (None, None, None);
        reader.object(&mut |reader, name| {
            match name {
                "port" if port.is_none() => port = Some(port_number(reader)?),
                "ingress" if ingress.is_none() => ingress = Some(reader.boolean()?),
                "listener" if listener.is_none() => listener = Some(port_number(reader)?),
                name => return Err(reader.unexpected(name)),
            }
            Ok(())
        })?;
        Ok(Self {
            port: port.ok_or_else(|| reader.error("no field `port`"))?,
            ingress: ingress.unwrap_or_default(),
            listener,
        })
    }
}

fn port_number(reader: &mut Reader<'_>) -> Result<core::num::NonZeroU16, JsonError> {
    let number = reader.number(1, 65_535)?;
    let number = u16::try_from(number).ok();
    let number = number.and_then(core::num::NonZeroU16::new);
    number.ok_or_else(|| reader.error("no port"))
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
            data_plane: DataPlane::default(),
            pull: None,
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
        let mut config = Reader::read(json, read).map_err(ConfigError::Json)?;
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
