//! `v1` ConfigMap: that it exists, and whether it holds certificates of authorities. Nothing of its
//! data is kept.

use super::field::{Field, Sink};
use super::secret::is_pem;

/// What is read of a ConfigMap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigMap {
    /// `ca.crt` has a certificate in PEM.
    pub(crate) authorities: bool,
}

pub(crate) fn read(root: &Field<'_, '_>) -> ConfigMap {
    // Most ConfigMaps are for others, so nothing in one is a problem by itself.
    let mut ignored = Sink::default();
    let data = root.key("data");
    let text = data.key("ca.crt").text(&mut ignored).ok().flatten();
    ConfigMap {
        authorities: text.is_some_and(|text| is_pem(text.as_bytes(), "CERTIFICATE-----")),
    }
}
