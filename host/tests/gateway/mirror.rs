//! Copies of requests, for which nobody waits.

use silverback_core::contract::plan::{Mirror, Protocol};

use crate::backend::{Backend, refused};
use crate::support::{PlanHeader, Proxy, plan, until};

fn to<'a>(plan: PlanHeader<'a>, mirrors: &'a [Mirror<'a>]) -> PlanHeader<'a> {
    plan.change(|plan| plan.mirrors = mirrors)
}

fn http(endpoints: &[std::net::SocketAddr]) -> Mirror<'_> {
    Mirror {
        protocol: Protocol::Http,
        endpoints,
    }
}

#[test]
fn a_mirror_sees_what_the_upstream_sees() {
    for (framing, body) in [
        ("content-length: 5", "hello"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let (backend, mirror) = (Backend::saying("ok"), Backend::saying("ignored"));
        let proxy = Proxy::start();
        let (endpoints, at) = ([backend.addr], [mirror.addr]);
        let mirrors = [http(&at)];
        let line = to(plan(&endpoints), &mirrors)
            .change(|plan| {
                plan.uri = Some(b"/rewritten?x=1");
                plan.host = Some(b"backend.test");
                plan.set_headers = &[(b"x-a", b"set")];
            })
            .line();
        let reply = proxy.send(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n{framing}\r\n{line}\r\n{body}"
        ));
        assert_eq!(reply.text(), "ok");
        until("the mirror's answer", || {
            proxy.gateway.stats().mirrors_sent == 1
        });
        let (seen, copy) = (backend.seen().remove(0), mirror.seen().remove(0));
        assert_eq!(copy.line, "POST /rewritten?x=1 HTTP/1.1");
        assert_eq!(copy.line, seen.line);
        assert_eq!(copy.body, b"hello");
        assert_eq!(copy.header("content-length").as_deref(), Some("5"));
        let others = |seen: &crate::backend::Seen| {
            let framing = ["content-length", "transfer-encoding"];
            let mut headers = seen.headers.clone();
            headers.retain(|(name, _)| !framing.contains(&&**name));
            headers.sort();
            headers
        };
        assert_eq!(others(&copy), others(&seen));
        assert_eq!(copy.header("x-a").as_deref(), Some("set"));
    }
}

#[test]
fn each_mirror_gets_one_copy_at_the_first_endpoint_that_is_there() {
    let (backend, a, b) = (
        Backend::saying("ok"),
        Backend::saying(""),
        Backend::saying(""),
    );
    let proxy = Proxy::start();
    let (endpoints, first, second) = ([backend.addr], [refused(), a.addr], [b.addr, a.addr]);
    let mirrors = [http(&first), http(&second)];
    assert_eq!(
        proxy.send(&to(plan(&endpoints), &mirrors).get()).text(),
        "ok"
    );
    until("both copies", || proxy.gateway.stats().mirrors_sent == 2);
    assert_eq!((a.count(), b.count()), (1, 1));
}

#[test]
fn a_mirror_that_is_dead_or_silent_changes_nothing() {
    let (backend, silent) = (Backend::saying("ok"), Backend::silent());
    let proxy = Proxy::start();
    let (endpoints, dead, slow) = ([backend.addr], [refused()], [silent.addr]);
    let mirrors = [http(&dead), http(&slow)];
    let reply = proxy.send(&to(plan(&endpoints).tries(3), &mirrors).get());
    assert_eq!(reply.text(), "ok");
    assert_eq!(proxy.results(1)[0].tries.len(), 1);
    until("the failure", || proxy.gateway.stats().mirrors_failed == 1);
    until("the silent one's copy", || silent.count() == 1);
}

#[test]
fn the_mirror_gets_its_copy_even_if_no_upstream_answers() {
    let mirror = Backend::saying("");
    let proxy = Proxy::start();
    let (endpoints, at) = ([refused()], [mirror.addr]);
    let mirrors = [http(&at)];
    assert_eq!(
        proxy.send(&to(plan(&endpoints), &mirrors).get()).status,
        502
    );
    until("the copy", || proxy.gateway.stats().mirrors_sent == 1);
}

#[test]
fn a_body_above_64_kilobytes_has_no_copy() {
    for (length, sent) in [(64 * 1024, 1), (64 * 1024 + 1, 0)] {
        let (backend, mirror) = (Backend::saying("ok"), Backend::saying(""));
        let proxy = Proxy::with(|options| options.limits.replay_bytes = 1 << 20);
        let (endpoints, at) = ([backend.addr], [mirror.addr]);
        let mirrors = [http(&at)];
        let line = to(plan(&endpoints), &mirrors).line();
        let body = "x".repeat(length);
        let reply = proxy.send(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{line}\r\n{body}"
        ));
        assert_eq!(reply.text(), "ok");
        until("the copy or none", || {
            let stats = proxy.gateway.stats();
            (stats.mirrors_sent, stats.mirrors_dropped) == (sent, 1 - sent)
        });
        assert_eq!(mirror.count() as u64, sent);
    }
}

#[test]
fn a_body_that_never_comes_whole_has_no_copy() {
    let (backend, mirror) = (Backend::saying("ok"), Backend::saying(""));
    let proxy = Proxy::start();
    let (endpoints, at) = ([backend.addr], [mirror.addr]);
    let mirrors = [http(&at)];
    let line = to(plan(&endpoints), &mirrors).line();
    let mut client = proxy.connect();
    client.write(
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n{line}\r\nabc").as_bytes(),
    );
    drop(client);
    until("the count", || proxy.gateway.stats().mirrors_dropped == 1);
    assert_eq!(mirror.count(), 0);
}

#[test]
fn copies_for_which_there_is_no_room_are_dropped() {
    let (backend, silent) = (Backend::saying("ok"), [(); 4].map(|()| Backend::silent()));
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let at = [0, 1, 2, 3].map(|mirror: usize| [silent[mirror].addr]);
    let mirrors = [0, 1, 2, 3].map(|mirror: usize| http(&at[mirror]));
    let get = to(plan(&endpoints), &mirrors).get();
    let mut client = proxy.connect();
    // 64 under way, 256 in the queue.
    for _ in 0..81 {
        assert_eq!(client.request(&get).text(), "ok");
    }
    assert_eq!(proxy.gateway.stats().mirrors_dropped, 4);
    assert_eq!(client.request(&get).text(), "ok");
    assert_eq!(proxy.gateway.stats().mirrors_dropped, 8);
}

#[test]
fn a_mirror_that_does_not_answer_takes_no_copies_from_others() {
    let (backend, silent) = (Backend::saying("ok"), Backend::silent());
    let mirror = Backend::saying("");
    let proxy = Proxy::start();
    let (endpoints, silent, at) = ([backend.addr], [silent.addr], [mirror.addr]);
    let (mute, good) = ([http(&silent)], [http(&at)]);
    let mut client = proxy.connect();
    // 16 under way, 64 in the queue.
    for _ in 0..81 {
        let get = to(plan(&endpoints), &mute).get();
        assert_eq!(client.request(&get).text(), "ok");
    }
    assert_eq!(proxy.gateway.stats().mirrors_dropped, 1);
    for sent in 1..=20 {
        let get = to(plan(&endpoints), &good).get();
        assert_eq!(client.request(&get).text(), "ok");
        until("its copy", || proxy.gateway.stats().mirrors_sent == sent);
    }
    assert_eq!(mirror.count(), 20);
}
