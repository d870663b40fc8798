//! A request.

/// A request as it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ask {
    /// Are Ingress objects served on the port?
    pub(crate) ingress: bool,
    /// The port of the Gateway listeners that are served on it.
    pub(crate) listener: Option<u16>,
    pub(crate) tls: bool,
    pub(crate) sni: String,
    pub(crate) host: Vec<u8>,
    /// Path with query.
    pub(crate) target: Vec<u8>,
    pub(crate) method: Vec<u8>,
    /// In the order in which they were sent.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl Ask {
    /// `GET target` for a host, where both Ingress and the listeners of port 80 are served.
    pub(crate) fn get(host: &str, target: &str) -> Self {
        Self {
            ingress: true,
            listener: Some(80),
            host: host.as_bytes().to_vec(),
            target: target.as_bytes().to_vec(),
            method: b"GET".to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.as_bytes().to_vec();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(crate) fn port(mut self, port: u16) -> Self {
        self.listener = Some(port);
        self
    }

    pub(crate) fn tls(mut self, sni: &str) -> Self {
        self.tls = true;
        self.sni = sni.to_owned();
        self
    }
}

impl core::fmt::Display for Ask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        write!(
            f,
            "{} {} host={:?} ingress={} listener={:?} tls={} sni={:?}",
            text(&self.method),
            text(&self.target),
            text(&self.host),
            self.ingress,
            self.listener,
            self.tls,
            self.sni
        )?;
        for (name, value) in &self.headers {
            write!(f, "\n  {name}: {}", text(value))?;
        }
        Ok(())
    }
}
