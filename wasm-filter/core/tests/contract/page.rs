//! docs/contract.md says what the code says.

use silverback_core::contract::plan::{MAX_ENDPOINTS, VERSION, tag};
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
        (tag::ROUTE_NAME, "route_name"),
        (tag::SERVICE_NAME, "service_name"),
    ];
    assert_eq!(rows, code);
}

#[test]
fn the_page_names_the_properties_versions_and_limits() {
    for name in [REQUEST_PROPERTY, PLAN_PROPERTY, RESULT_PROPERTY] {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!([VERSION, request::VERSION, result::VERSION], [1; 3]);
    assert_eq!(PAGE.matches("u8 version = 1").count(), 3);
    assert!(PAGE.contains(&format!("1..={MAX_ENDPOINTS} endpoints")));
}
