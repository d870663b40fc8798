//! docs/contract.md says what the code says.

use silverback_core::contract::plan::{
    FIXED_HEADERS, MAX_ENDPOINTS, MAX_MIRRORS, MAX_RETRY_CODES, VERSION, tag,
};
use silverback_core::contract::{
    PLAN_PROPERTY, REQUEST_PROPERTY, RESULT_PROPERTY, request, result,
};

const PAGE: &str = include_str!("../../../../docs/contract.md");

#[test]
fn the_page_s_tags_are_the_code_s() {
    let rows: Vec<(u8, &str)> = PAGE
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let number = cells.next()?.parse().ok()?;
            Some((number, cells.next()?.trim_matches('`')))
        })
        .collect();
    let code = [
        (tag::ENDPOINTS, "endpoints"),
        (tag::TIMEOUTS, "timeouts"),
        (tag::TRIES, "tries"),
        (tag::PROTOCOL, "protocol"),
        (tag::HOST, "host"),
        (tag::URI, "uri"),
        (tag::REMOVE_HEADER, "remove_header"),
        (tag::TLS, "tls"),
        (tag::SET_HEADER, "set_header"),
        (tag::ADD_HEADER, "add_header"),
        (tag::DEADLINES, "deadlines"),
        (tag::RETRY, "retry"),
        (tag::MIRROR, "mirror"),
        (tag::PLUGIN_SET, "plugin_set"),
        (tag::ROUTE_NAME, "route_name"),
        (tag::SERVICE_NAME, "service_name"),
        (tag::TAGS, "tags"),
    ];
    assert_eq!(rows, code);
    let repeats: Vec<u8> = (0..=u8::MAX).filter(|tag| tag::repeats(*tag)).collect();
    let marked: Vec<u8> = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("; may repeat"))
        .filter_map(|line| line.split('|').nth(1)?.trim().parse().ok())
        .collect();
    assert_eq!(repeats, marked);
}

#[test]
fn the_page_names_the_properties_versions_and_limits() {
    for name in [REQUEST_PROPERTY, PLAN_PROPERTY, RESULT_PROPERTY] {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!([VERSION, request::VERSION, result::VERSION], [1; 3]);
    assert_eq!(PAGE.matches("u8 version = 1").count(), 3);
    for text in [
        format!("1..={MAX_ENDPOINTS} endpoints"),
        format!("at most {MAX_MIRRORS} times"),
        format!("at most {MAX_RETRY_CODES} x u16"),
    ] {
        assert!(PAGE.contains(&text), "{text}");
    }
    for name in FIXED_HEADERS {
        let name = String::from_utf8_lossy(name);
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
}
