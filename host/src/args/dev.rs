//! Values of `silverback dev`.

use std::str::FromStr;

use clap::ValueEnum;

/// How requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// Not at all.
    Off,
    /// For people.
    Text,
    /// One JSON value a line.
    Json,
}

/// Where the admin port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminPort {
    /// There is none.
    Off,
    /// Here; 0 = any free port.
    At(u16),
}

impl FromStr for AdminPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        let port = text.parse().map(Self::At);
        port.map_err(|_| "neither `off` nor a port from 0 to 65535".to_owned())
    }
}
