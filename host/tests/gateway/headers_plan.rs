//! Headers that the plan removes, sets and adds, and its tags.

use crate::backend::{Backend, Seen, refused};
use crate::support::{Proxy, plan, until};

type Pairs = &'static [(&'static [u8], &'static [u8])];

fn values(seen: &Seen, name: &str) -> Vec<String> {
    let of_name = seen.headers.iter().filter(|(n, _)| n == name);
    of_name
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn removals_go_first_then_what_is_set_then_what_is_added() {
    type Row = (&'static str, &'static [&'static [u8]], Pairs, Pairs);
    let rows: [(Row, &[&str]); 9] = [
        (("nothing", &[], &[], &[]), &["1", "2"]),
        (("removed", &[b"x-a"], &[], &[]), &[]),
        (("set", &[], &[(b"x-a", b"3")], &[]), &["3"]),
        (
            ("set twice", &[], &[(b"x-a", b"3"), (b"x-a", b"4")], &[]),
            &["4"],
        ),
        (("set to nothing", &[], &[(b"x-a", b"")], &[]), &[""]),
        (("added", &[], &[], &[(b"x-a", b"3")]), &["1", "2", "3"]),
        (
            (
                "added twice",
                &[],
                &[],
                &[(b"x-a", b"3"), (b"x-a", b"3, 4")],
            ),
            &["1", "2", "3", "3, 4"],
        ),
        (
            ("removed and added", &[b"x-a"], &[], &[(b"x-a", b"3")]),
            &["3"],
        ),
        (
            ("all", &[b"x-a"], &[(b"x-a", b"3")], &[(b"x-a", b"4")]),
            &["3", "4"],
        ),
    ];
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    for ((name, remove, set, add), wanted) in rows {
        let endpoints = [backend.addr];
        let line = plan(&endpoints).change(|plan| {
            plan.remove_headers = remove;
            plan.set_headers = set;
            plan.add_headers = add;
        });
        let reply = proxy.send(&format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\nX-A: 2\r\n{}\r\n",
            line.line()
        ));
        assert_eq!(reply.text(), "ok", "{name}");
        let seen = backend.seen().pop().unwrap();
        assert_eq!(values(&seen, "x-a"), wanted, "{name}");
    }
}

#[test]
fn what_the_client_says_of_its_connection_takes_nothing_away_that_the_plan_gives() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = plan(&endpoints)
        .change(|plan| {
            plan.set_headers = &[(b"x-auth", b"gateway")];
            plan.add_headers = &[(b"x-more", b"1")];
        })
        .line();
    proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: x-auth, x-more\r\nx-auth: client\r\n{line}\r\n"
    ));
    let seen = backend.seen().remove(0);
    assert_eq!(values(&seen, "x-auth"), ["gateway"]);
    assert_eq!(values(&seen, "x-more"), ["1"]);
}

#[test]
fn where_a_request_comes_from_is_not_the_plans_to_say() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = plan(&endpoints)
        .change(|plan| plan.set_headers = &[(b"x-forwarded-proto", b"https")])
        .get();
    proxy.send(&get);
    assert_eq!(values(&backend.seen()[0], "x-forwarded-proto"), ["http"]);
}

#[test]
fn every_try_has_them_once() {
    let (bad, good) = (Backend::closing(), Backend::saying("ok"));
    let proxy = Proxy::start();
    let endpoints = [refused(), bad.addr, good.addr];
    let get = plan(&endpoints)
        .tries(3)
        .change(|plan| plan.add_headers = &[(b"x-a", b"1")])
        .get();
    assert_eq!(proxy.send(&get).text(), "ok");
    assert_eq!(values(&bad.seen()[0], "x-a"), ["1"]);
    assert_eq!(values(&good.seen()[0], "x-a"), ["1"]);
}

#[test]
fn a_value_that_http_cannot_carry_is_a_bad_plan() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = plan(&endpoints)
        .change(|plan| plan.set_headers = &[(b"x-a", b"a\x01b")])
        .get();
    assert_eq!(proxy.send(&get).status, 500);
    assert_eq!((proxy.gateway.stats().bad_plans, backend.count()), (1, 0));
}

#[test]
fn the_plans_tags_are_in_the_access_event() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = plan(&endpoints)
        .change(|plan| plan.tags = b"k8s-name:cart,k8s-kind:Ingress")
        .get();
    assert_eq!(proxy.send(&get).text(), "ok");
    until("the event", || !proxy.events.lock().unwrap().is_empty());
    let tags = proxy.events.lock().unwrap()[0].tags.clone();
    assert_eq!(tags, "k8s-name:cart,k8s-kind:Ingress");
}
