//! Properties, and the traps of their setters (Kong facts 1 and 3).

use silverback_emulator::{Exchange, Properties};

use crate::support::{Bench, doing, lenient, strict, values};

fn with(properties: Properties, words: &[&str]) -> Exchange {
    doing(words).properties(properties)
}

fn got(bench: &mut Bench, exchange: &mut Exchange) -> Vec<String> {
    bench.request(exchange).expect("no trap");
    values(exchange, "x-got")
}

/// What is in the quotes of `Ok(Some("..."))`.
fn some(value: &str) -> String {
    format!("Ok(Some({value:?}))")
}

#[test]
fn facts_3_the_readable_properties() {
    let mut properties = Properties::new();
    for (name, value) in [
        ("source.address", "10.1.2.3"),
        ("source.port", "4711"),
        ("ngx.server_port", "8000"),
        ("ngx.ssl_server_name", "shop.example.com"),
        ("request.protocol", "HTTP/1.1"),
        ("kong.route_name", "shop"),
        ("kong.service_name", "shop-service"),
        ("kong.client.protocol", "http"),
        ("kong.ctx.shared.user", "ada"),
    ] {
        properties.set(name, value);
    }
    let names = [
        "source.address",
        "source.port",
        "ngx.server_port",
        "ngx.scheme",
        "ngx.remote_addr",
        "ngx.ssl_server_name",
        "request.method",
        "request.path",
        "request.protocol",
        "kong.route_name",
        "kong.service_name",
        "kong.client.protocol",
        "kong.ctx.shared.user",
        "ngx.upstream_uri",
        "ngx.upstream_host",
    ];
    let words: Vec<String> = names
        .iter()
        .map(|name| format!("get-property {name}"))
        .collect();
    let mut bench = strict().start("script");
    let mut exchange = with(
        properties,
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let expected = [
        "10.1.2.3",
        "4711",
        "8000",
        "http",
        "10.1.2.3",
        "shop.example.com",
        "GET",
        "/a?b=c",
        "HTTP/1.1",
        "shop",
        "shop-service",
        "http",
        "ada",
        "/a?b=c",
        "shop.example.com",
    ];
    assert_eq!(got(&mut bench, &mut exchange), expected.map(some));
}

#[test]
fn facts_3_sni_is_none_on_plain_http_and_an_unknown_name_is_not_found() {
    let mut bench = strict().start("script");
    let words = [
        "get-property ngx.ssl_server_name",
        "get-property kong.silverback.request",
        "get-property a.b",
    ];
    assert_eq!(got(&mut bench, &mut doing(&words)), ["Ok(None)"; 3]);
}

#[test]
fn nginx_s_variable_of_a_header_has_all_lines_of_it() {
    let words = [
        "get-property ngx.http_x_two",
        "get-property ngx.http_cookie",
        "get-property ngx.http_x_none",
    ];
    let mut exchange = doing(&words)
        .header("x-two", "1")
        .header("X-Two", "2")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let mut bench = strict().start("script");
    let expected = [some("1, 2"), some("a=1; b=2"), "Ok(None)".to_owned()];
    assert_eq!(got(&mut bench, &mut exchange), expected);
}

#[test]
fn facts_3_a_set_that_kong_refuses_is_a_trap_and_the_instance_is_lost() {
    for refused in [
        "kong.service.target=10.0.0.1",
        "kong.service.target=a:65536",
        "kong.service.upstream=nobody",
        "kong.service.request.scheme=gopher",
        "kong.response.source=me",
        "kong.response.status=1000",
        "kong.nothing=1",
        "kong.silverback.plan=1",
    ] {
        let mut bench = strict().start("script");
        let trap = bench
            .request(&mut doing(&[&format!("set-property {refused}")]))
            .expect_err(refused);
        assert!(trap.message.contains("could not set"), "{trap}");
        assert!(bench.worker.trapped());
    }
}

#[test]
fn facts_1_5_ipv6_targets_keep_their_brackets() {
    let mut bench = strict().start("script");
    bench
        .request(&mut doing(&["set-property kong.service.target=[::1]:8080"]))
        .expect("no trap");
    bench
        .request(&mut doing(&["set-property kong.service.target=::1:8080"]))
        .expect_err("a 500 in Kong");
}

#[test]
fn facts_1_1_a_target_changes_only_the_port_at_the_first_try() {
    let mut bench = strict().start("script");
    let mut exchange = doing(&["set-property kong.service.target=127.0.0.2:19012"]);
    bench.request(&mut exchange).expect("no trap");
    let (old, new) = (
        ("127.0.0.1".to_owned(), 19012),
        ("127.0.0.2".to_owned(), 19012),
    );
    assert_eq!(
        exchange.kong_tries(("127.0.0.1", 19011), 0),
        std::slice::from_ref(&old)
    );
    assert_eq!(
        exchange.kong_tries(("127.0.0.1", 19011), 2),
        [old, new.clone(), new],
        "facts 1.4: the same target"
    );
    assert_eq!(doing(&[]).kong_tries(("127.0.0.1", 19011), 1).len(), 2);
}

#[test]
fn facts_1_3_a_target_overwrites_the_host_that_goes_upstream() {
    let host = |exchange: &Exchange| {
        exchange
            .upstream_request_headers()
            .get("host")
            .map(<[u8]>::to_vec)
    };
    let mut bench = strict().start("script");
    let target = "set-property kong.service.target=10.0.0.1:80";
    let own = "set-property ngx.upstream_host=shop.example.com";
    let mut exchange = doing(&[own, target]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(host(&exchange), Some(b"10.0.0.1".to_vec()));
    let mut exchange = doing(&[target, own]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(host(&exchange), Some(b"shop.example.com".to_vec()));
}

#[test]
fn facts_1_2_an_upstream_must_exist() {
    let mut bench = strict().start("script");
    let properties = Properties::new().upstream("pool");
    let mut exchange = with(
        properties,
        &[
            "set-property kong.service.upstream=pool",
            "set-property kong.service.request.scheme=https",
        ],
    );
    assert_eq!(got(&mut bench, &mut exchange), ["Ok(())"; 2]);
    assert_eq!(
        exchange.kong_tries(("127.0.0.1", 1), 0),
        [("127.0.0.1".to_owned(), 1)],
        "no effect at the first try"
    );
}

#[test]
fn with_the_shim_its_properties_are_there_and_its_setters_never_refuse() {
    let mut properties = Properties::with_shim();
    properties.set("kong.silverback.request", "everything");
    let words = [
        "get-property kong.silverback.request",
        "set-property kong.silverback.plan=rubbish",
        "set-property kong.silverback.anything=at all",
        "get-property kong.silverback.result",
    ];
    let mut bench = strict().start("script");
    let mut exchange = with(properties, &words);
    assert_eq!(
        got(&mut bench, &mut exchange),
        [&some("everything"), "Ok(())", "Ok(())", "Ok(None)"]
    );
    assert_eq!(
        exchange.properties.get("kong.silverback.plan"),
        Some(&b"rubbish"[..])
    );
}

#[test]
fn ctx_shared_can_be_set_read_and_cleared() {
    let mut bench = strict().start("script");
    let words = [
        "set-property kong.ctx.shared.a=1",
        "get-property kong.ctx.shared.a",
        "clear-property kong.ctx.shared.a",
        "get-property kong.ctx.shared.a",
    ];
    assert_eq!(
        got(&mut bench, &mut doing(&words)),
        ["Ok(())", &some("1"), "Ok(())", "Ok(None)"]
    );
}

#[test]
fn a_set_of_an_nginx_variable_that_cannot_change_fails() {
    // The SDK panics on the status, so the filter traps.
    let mut bench = strict().start("script");
    let mut exchange = doing(&["set-property ngx.remote_addr=1.2.3.4"]);
    exchange.properties.set("ngx.remote_addr", "10.0.0.1");
    bench.request(&mut exchange).expect_err("read-only");
    bench
        .request(&mut doing(&["set-property ngx.no_such=1"]))
        .expect_err("unknown");
}

#[test]
fn outside_of_a_request_a_scoped_property_is_an_internal_failure() {
    let bench = strict()
        .configuration("get-property ngx.remote_addr\nget-property worker_id")
        .start("script");
    assert!(
        bench
            .log
            .contains("get-property ngx.remote_addr: Err(InternalFailure)")
    );
    assert!(
        bench
            .log
            .contains("get-property worker_id: Ok(Some(\"0\"))")
    );
}

#[test]
fn lenient_mode_refuses_no_set() {
    let mut bench = lenient().start("script");
    let words = [
        "set-property kong.service.target=nonsense",
        "get-property kong.service.target",
        "get-property request.headers.host",
    ];
    assert_eq!(
        got(&mut bench, &mut doing(&words)),
        ["Ok(())", &some("nonsense"), &some("shop.example.com")]
    );
}
