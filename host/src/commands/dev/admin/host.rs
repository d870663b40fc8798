//! Whether a Host header names the loopback.

use std::net::{Ipv4Addr, Ipv6Addr};

/// `localhost`, a name below it, or a loopback address; any port, since somebody may forward one.
pub(super) fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let loopback = address.parse().is_ok_and(|ip: Ipv6Addr| ip.is_loopback());
        return loopback && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let name = match host.split_once(':') {
        None => host,
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
    };
    if let Ok(ip) = name.parse::<Ipv4Addr>() {
        return ip.is_loopback();
    }
    // RFC 6761 6.3: names below it are the loopback too, and no resolver may say otherwise.
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_port(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_loopback_are_taken() {
        for yes in [
            "localhost",
            "LocalHost:9080",
            "a.localhost:1",
            "127.0.0.1",
            "127.0.0.1:9080",
            "127.1.2.3:80",
            "[::1]",
            "[::1]:9080",
        ] {
            assert!(is_loopback(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            "example.com",
            "localhost.example.com",
            "xlocalhost",
            "localhost.",
            "localhost:x",
            "localhost:",
            "localhost:99999",
            "user@localhost",
            "127.0.0.1.example.com",
            "127.0.0.1:80:80",
            "10.0.0.1",
            "0.0.0.0",
            "2130706433",
            "[::2]",
            "[::1]x",
            "[::1",
            "::1",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(!is_loopback(no.as_bytes()), "{no}");
        }
        assert!(!is_loopback(b"\xff"));
    }
}
