//! Sticky sessions: the endpoint that the cookie names, as long as it is there.

use silverback_core::contract::result::Outcome;
use silverback_core::table::model::{Algorithm, HashInput, UpstreamPolicy};

use crate::world::{Ask, Worker, World, passive, pods, result};

fn sticky() -> UpstreamPolicy {
    UpstreamPolicy {
        hash_on: HashInput::Cookie("route".into(), "/".into()),
        ..passive(Algorithm::StickySessions)
    }
}

/// A client's cookie, as it sends it.
fn pair(cookie: &str) -> String {
    cookie.split(';').next().expect("a pair").to_owned()
}

fn with(cookie: &str) -> Ask {
    Ask::get("/web").header("cookie", cookie)
}

#[test]
fn new_clients_take_turns_and_stay_where_they_were() {
    let world = World::web(20, Some(sticky()));
    let mut worker = Worker::new(0);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..20 {
        let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
        let cookie = sent.cookie.clone().expect("a cookie");
        assert!(cookie.ends_with("; Path=/; HttpOnly"), "{cookie}");
        seen.insert(sent.endpoints[0]);
        for spin in [1, 50, 1_000] {
            let again = Worker::new(spin + n).send(&world, &with(&pair(&cookie)));
            let again = again.expect("a plan");
            assert_eq!(again.endpoints[0], sent.endpoints[0]);
            assert_eq!(again.endpoints.len(), 6);
            assert_eq!(again.cookie, None);
        }
    }
    assert_eq!(seen.len(), 20, "in turn");
}

#[test]
fn other_endpoints_that_come_and_go_move_nobody() {
    let mut world = World::web(10, Some(sticky()));
    let mut worker = Worker::new(0);
    let clients: Vec<_> = (0..10)
        .map(|_| {
            let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
            (sent.endpoints[0], pair(&sent.cookie.expect("a cookie")))
        })
        .collect();
    world.service("web", pods(500), Some(sticky()));
    world.commit();
    for (endpoint, cookie) in &clients {
        assert_eq!(worker.first(&world, &with(cookie)), *endpoint);
    }
    world.service("web", pods(5), Some(sticky()));
    world.commit();
    for (endpoint, cookie) in &clients {
        let sent = worker.send(&world, &with(cookie)).expect("a plan");
        let there = pods(5).contains(endpoint);
        assert_eq!(sent.endpoints[0] == *endpoint, there);
        assert_eq!(sent.cookie.is_none(), there, "a new one for a new endpoint");
    }
}

#[test]
fn the_cookie_of_an_ejected_endpoint_is_replaced() {
    let world = World::web(4, Some(sticky()));
    let mut worker = Worker::new(0);
    let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
    let (bad, cookie) = (sent.endpoints[0], pair(&sent.cookie.expect("a cookie")));
    for _ in 0..3 {
        let sent = worker.send(&world, &with(&cookie)).expect("a plan");
        worker.end(&sent, &result(504, &[Outcome::TimedOut]));
    }
    let sent = worker.send(&world, &with(&cookie)).expect("a plan");
    assert_ne!(sent.endpoints[0], bad);
    let new = pair(&sent.cookie.expect("another cookie"));
    worker.pass(10_000);
    assert_eq!(worker.first(&world, &with(&new)), sent.endpoints[0]);
}

#[test]
fn a_cookie_that_names_nothing_is_replaced() {
    let world = World::web(10, Some(sticky()));
    for value in [
        "",
        "0",
        "zzzzzzzzzzzzzzzz",
        "0123456789abcdef",
        "0123456789ABCDEF",
        "\"0123456789abcdef\"",
        &"f".repeat(10_000),
    ] {
        let ask = with(&format!("route={value}"));
        let sent = Worker::new(3).send(&world, &ask).expect("a plan");
        assert!(sent.cookie.is_some(), "{value}");
    }
    let sent = Worker::new(3).send(&world, &with("route")).expect("a plan");
    assert!(sent.cookie.is_some());
}

#[test]
fn a_cookie_of_one_service_says_nothing_to_another() {
    let mut world = World::web(10, Some(sticky()));
    world.rule("api", &[(1, "api")]);
    world.service("api", pods(10), Some(sticky()));
    world.commit();
    let sent = Worker::new(0)
        .send(&world, &Ask::get("/web"))
        .expect("a plan");
    let cookie = pair(&sent.cookie.expect("a cookie"));
    let ask = Ask::get("/api").header("cookie", &cookie);
    let sent = Worker::new(0).send(&world, &ask).expect("a plan");
    assert!(sent.cookie.is_some(), "though the addresses are the same");
}
