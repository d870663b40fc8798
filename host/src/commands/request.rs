//! From a command line as curl has it to the request that the translator is asked about.

use serde_json::{Map, Value, json};

/// What is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("`{0}` is not a URL that can be asked about: {1}")]
    Url(String, &'static str),
    #[error("`{0}` is not a header (hint: -H 'name: value')")]
    Header(String),
}

/// Makes the JSON of a request. Path and headers are left as they are typed: what `//` or `%2F`
/// means is for the translator to say.
pub(super) fn build(method: &str, url: &str, headers: &[String]) -> Result<Value, RequestError> {
    let wrong = |why| RequestError::Url(url.to_owned(), why);
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") {
        return Err(wrong("the scheme has to be http or https"));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(wrong("no user and password, please"));
    }
    let (mut host, port) = split_port(authority).ok_or_else(|| wrong("the port is no number"))?;
    if host.is_empty() {
        return Err(wrong("there is no host in it"));
    }
    let path = match path.chars().next() {
        None => "/".to_owned(),
        Some('?') => format!("/{path}"),
        Some(_) => path.to_owned(),
    };

    let mut fields: Map<String, Value> = Map::new();
    let mut host_header = None;
    for header in headers {
        let (name, value) = header
            .split_once(':')
            .filter(|(name, _)| !name.trim().is_empty())
            .ok_or_else(|| RequestError::Header(header.clone()))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "host" {
            host_header = split_port(value).map(|(host, _)| host);
            continue;
        }
        let values = fields.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(value.into());
        }
    }
    // The connection goes where the URL says, the name in the request is that of the header.
    let sni = host;
    if let Some(name) = host_header {
        host = name;
    }

    let mut request = json!({
        "method": method,
        "scheme": scheme,
        "host": host,
        "path": path,
        "headers": fields,
    });
    if let Some(port) = port {
        request["port"] = port.into();
    }
    if scheme == "https" && sni.parse::<std::net::IpAddr>().is_err() && !sni.starts_with('[') {
        request["sni"] = sni.into();
    }
    Ok(request)
}

/// Host and port of an authority; `None` if the port is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let bracket = authority.rfind(']').unwrap_or(0);
    match authority[bracket..].rfind(':') {
        None => Some((authority, None)),
        Some(colon) => {
            let colon = bracket + colon;
            let port = &authority[colon + 1..];
            if port.is_empty() {
                return Some((&authority[..colon], None));
            }
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some((&authority[..colon], Some(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_is_taken_apart_but_not_changed() {
        let request = |url| build("GET", url, &[]).expect("a request");
        assert_eq!(
            request("HTTP://a.com:8080/x//y/../%2F?q=1#top"),
            json!({"method":"GET","scheme":"http","host":"a.com","path":"/x//y/../%2F?q=1",
                   "headers":{},"port":8080})
        );
        assert_eq!(request("a.com")["path"], "/");
        assert_eq!(request("a.com?x")["path"], "/?x");
        assert_eq!(request("http://[::1]:80/")["host"], "[::1]");
        assert_eq!(request("https://a.com")["sni"], "a.com");
        assert_eq!(request("https://10.0.0.1")["sni"], Value::Null);
    }

    #[test]
    fn headers_are_as_curl_takes_them() {
        let headers = ["X-A: 1", "x-a:2", "Host: b.com:80"].map(str::to_owned);
        let request = build("POST", "http://a.com/", &headers).expect("a request");
        assert_eq!(request["host"], "b.com");
        assert_eq!(request["headers"], json!({"x-a": ["1", "2"]}));
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        for url in [
            "ftp://a.com/",
            "http:///x",
            "http://a.com:x/",
            "http://a.com:0/",
            "http://u@a.com/",
        ] {
            assert!(
                matches!(build("GET", url, &[]), Err(RequestError::Url(..))),
                "{url}"
            );
        }
        assert_eq!(
            build("GET", "a.com", &["x".to_owned()]),
            Err(RequestError::Header("x".to_owned()))
        );
    }
}
