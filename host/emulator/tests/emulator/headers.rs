//! Headers, path and method (Kong facts 2).

use silverback_emulator::{Exchange, Violation};

use crate::support::{all, doing, lenient, strict, values};

fn upstream(exchange: &Exchange, name: &str) -> Vec<String> {
    all(exchange.upstream_request_headers().get_all(name.as_bytes()))
}

#[test]
fn facts_2_a_header_that_is_set_or_added_goes_upstream() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set x-new=1", "add x-new=2"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(upstream(&exchange, "x-new"), ["1", "2"]);
}

#[test]
fn facts_2_a_header_that_is_removed_is_still_there_upstream() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["remove cookie", "get cookie"]).header("cookie", "secret");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        values(&exchange, "x-got"),
        ["(none)"],
        "the filter does not see it any more"
    );
    assert_eq!(
        upstream(&exchange, "cookie"),
        ["secret"],
        "the upstream does"
    );
}

#[test]
fn facts_2_a_header_that_is_set_to_nothing_is_sent_empty() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set cookie="]).header("cookie", "secret");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(upstream(&exchange, "cookie"), [""]);
}

#[test]
fn shim_facts_4_set_and_remove_touch_only_the_first_of_a_repeated_client_header() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set x-k=new"])
        .header("x-k", "one")
        .header("x-k", "two")
        .header("x-k", "three");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(upstream(&exchange, "x-k"), ["new", "two", "three"]);

    let mut exchange = doing(&["remove x-k", "get x-k"])
        .header("x-k", "one")
        .header("x-k", "two");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(values(&exchange, "x-got"), ["two"]);
    assert_eq!(upstream(&exchange, "x-k").len(), 2);
}

#[test]
fn facts_2_path_has_no_effect_upstream_and_upstream_uri_has() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set :path=/new", "get :path"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(exchange.upstream_uri(), b"/a?b=c");
    assert_eq!(
        values(&exchange, "x-got"),
        ["/new"],
        "the filter reads back what it set"
    );

    let mut bench = strict().start("script");
    let mut exchange = doing(&["set-property ngx.upstream_uri=/new?x=1"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(exchange.upstream_uri(), b"/new?x=1");
}

#[test]
fn facts_2_method_works() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set :method=PUT"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(exchange.method, b"PUT");
}

#[test]
fn facts_2_host_authority_and_scheme_have_no_effect() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["set host=evil", "set :authority=evil", "set :scheme=https"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(upstream(&exchange, "host"), ["shop.example.com"]);
    assert_eq!(exchange.scheme, b"http");
    assert!(
        bench
            .log
            .contains("cannot set read-only \":authority\" header")
    );

    let mut bench = strict().start("script");
    let mut exchange = doing(&["set-property ngx.upstream_host=inner"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        upstream(&exchange, "host"),
        ["inner"],
        "the property is what counts"
    );
}

#[test]
fn facts_2_authority_reads_as_server_name_and_port_and_not_as_the_clients_host() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["get :authority", "get host"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        values(&exchange, "x-got"),
        ["kong:8000", "shop.example.com"]
    );
}

#[test]
fn facts_2_kong_overwrites_forwarding_headers() {
    let mut bench = strict().start("headers");
    let names = [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Via",
        "Connection",
    ];
    let sets: Vec<String> = names
        .iter()
        .map(|name| format!("set {name}=mine"))
        .collect();
    let mut exchange = doing(&sets.iter().map(String::as_str).collect::<Vec<_>>());
    exchange
        .properties
        .set("ngx.upstream_x_forwarded_for", "10.0.0.1");
    exchange.properties.set("source.address", "10.0.0.2");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(upstream(&exchange, "x-forwarded-for"), ["10.0.0.1"]);
    assert_eq!(upstream(&exchange, "x-real-ip"), ["10.0.0.2"]);
    assert!(upstream(&exchange, "via").is_empty());
    assert!(upstream(&exchange, "connection").is_empty());
}

#[test]
fn facts_2_setting_the_whole_map_of_request_headers_is_a_violation() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&["replace-all x-only=1"]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        bench.worker.violations(),
        [Violation::RequestHeadersReplaced]
    );
}

#[test]
fn facts_6_end_of_stream_of_request_headers_is_always_false() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&[]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(
        values(&exchange, "x-end-of-stream"),
        ["false"],
        "though there is no body"
    );

    let mut bench = lenient().start("headers");
    let mut exchange = doing(&[]);
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(values(&exchange, "x-end-of-stream"), ["true"]);
}

#[test]
fn response_headers_do_what_the_filter_says() {
    let mut bench = strict().start("headers");
    let mut exchange = doing(&[]);
    for what in [
        "set server=mine",
        "add x-a=1",
        "add x-a=2",
        "remove x-powered-by",
        "set :status=202",
        "get :status",
    ] {
        exchange.request_headers.add("x-do-response", what);
    }
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    exchange.response_status = 200;
    exchange.response_headers.add("Server", "theirs");
    exchange.response_headers.add("x-powered-by", "magic");
    bench
        .worker
        .on_response_headers(id, &mut exchange)
        .expect("no trap");
    assert_eq!(exchange.response_status, 202);
    let pairs: Vec<_> = exchange.response_headers.iter().collect();
    assert_eq!(
        pairs,
        [
            (&b"Server"[..], &b"mine"[..]),
            (b"x-a", b"1"),
            (b"x-a", b"2"),
            (b"x-got", b"202")
        ]
    );
}

#[test]
fn request_headers_cannot_be_set_once_the_response_is_there() {
    let mut bench = strict().start("script");
    let mut exchange = doing(&[]);
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    exchange.response_body = Some(b"x".to_vec());
    let trap = bench
        .worker
        .on_response_body(id, &mut exchange, true)
        .expect_err("a trap");
    assert!(
        trap.message
            .contains("can only set request headers before response is produced"),
        "{trap}"
    );
}

#[test]
fn lenient_mode_does_what_the_abi_says() {
    let mut bench = lenient().start("headers");
    let mut exchange = doing(&[
        "remove cookie",
        "set x-k=new",
        "set :path=/new",
        "set :authority=inner",
        "get :authority",
        "count",
    ])
    .header("cookie", "secret")
    .header("x-k", "one")
    .header("x-k", "two");
    bench.request(&mut exchange).expect("no trap");
    assert!(upstream(&exchange, "cookie").is_empty());
    assert_eq!(upstream(&exchange, "x-k"), ["new"]);
    assert_eq!(upstream(&exchange, "host"), ["inner"]);
    assert_eq!(exchange.upstream_uri(), b"/new");
    assert_eq!(values(&exchange, "x-got"), ["inner", "10"]);
    assert!(bench.worker.violations().is_empty());
}

#[test]
fn path_reads_as_nginx_parsed_it_and_request_path_as_the_client_sent_it() {
    let mut bench = strict().start("script");
    let mut exchange = doing(&["get-property request.path", "get-property request.url_path"]);
    exchange.path = b"/a%2Fb//../c?d=%2F".to_vec();
    bench.request(&mut exchange).expect("no trap");
    let got = ["Ok(Some(\"/a%2Fb//../c?d=%2F\"))", "Ok(Some(\"/a/c\"))"];
    assert_eq!(values(&exchange, "x-got"), got);

    let mut bench = strict().start("headers");
    let mut exchange = doing(&["get :path"]);
    exchange.path = b"/a%2Fb//../c?d=%2F".to_vec();
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(values(&exchange, "x-got"), ["/a/c?d=%2F"]);
}

#[test]
fn a_whole_map_ends_after_100_pairs_and_single_headers_are_found_all_the_same() {
    for (setup, seen) in [(strict(), 96), (lenient(), 200)] {
        let mut bench = setup.start("headers");
        let mut exchange = doing(&["get x-last"]);
        exchange.request_headers.clear();
        exchange.request_headers.add("x-do", "get x-last");
        for _ in 1..200 {
            exchange.request_headers.add("x-do", "add x-saw=1");
        }
        exchange.request_headers.add("x-last", "found");
        bench.request(&mut exchange).expect("no trap");
        assert_eq!(values(&exchange, "x-got"), ["found"]);
        assert_eq!(values(&exchange, "x-saw").len() + 1, seen);
        assert_eq!(
            bench
                .log
                .contains("marshalled map truncated to 100 elements"),
            seen == 96
        );
    }
}
