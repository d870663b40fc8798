//! HTTP/2 and gRPC to upstreams.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use silverback::gateway::{EchoIdentity, EchoRegistry};
use silverback_core::contract::plan::{Deadlines, Mirror, Protocol, UpstreamTls};
use tokio::sync::{Notify, Semaphore};

use crate::async_backend::{AsyncBackend, Done, Stream};
use crate::backend::Backend;
use crate::certificates::Ca;
use crate::support::{PlanHeader, Proxy, plan, until};

fn h2c(plan: PlanHeader<'_>) -> PlanHeader<'_> {
    plan.change(|plan| plan.protocol = Protocol::H2c)
}

/// Reads each request and says this.
fn saying(body: &'static str) -> impl Fn(Stream) -> Done + Send + Sync {
    move |mut stream| {
        Box::pin(async move {
            stream.read().await;
            stream.say(body);
        })
    }
}

type Heads = Arc<Mutex<Vec<http::request::Parts>>>;

/// Notes heads and bodies.
fn noting(heads: &Heads) -> impl Fn(Stream) -> Done + Send + Sync + use<> {
    let heads = Arc::clone(heads);
    move |mut stream| {
        let heads = Arc::clone(&heads);
        Box::pin(async move {
            let (body, trailers) = stream.read().await;
            let (mut head, ()) = http::Request::new(()).into_parts();
            head.method = stream.request.method().clone();
            head.uri = stream.request.uri().clone();
            head.headers = stream.request.headers().clone();
            let end = trailers.and_then(|t| t.get("x-end").cloned());
            if let Some(end) = end {
                head.headers.insert("x-test-end", end);
            }
            heads.lock().unwrap().push(head);
            stream.say(&String::from_utf8(body).unwrap());
        })
    }
}

#[test]
fn a_request_becomes_one_of_http2() {
    let heads = Heads::default();
    let backend = AsyncBackend::http2(None, noting(&heads));
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints))
        .change(|plan| {
            plan.uri = Some(b"/new?x");
            plan.set_headers = &[(b"x-a", b"1")];
        })
        .line();
    let reply = proxy.send(&format!(
        "POST /old HTTP/1.1\r\nhost: Shop.test:81\r\nconnection: keep-alive\r\n\
         content-length: 5\r\n{line}\r\nhello"
    ));
    assert_eq!(reply.text(), "hello", "{reply:?}");
    let head = heads.lock().unwrap().remove(0);
    assert_eq!(
        (head.method.as_str(), head.uri.to_string()),
        ("POST", "http://Shop.test:81/new?x".to_owned())
    );
    assert_eq!(head.headers["x-a"], "1");
    assert_eq!(head.headers["content-length"], "5");
    assert_eq!(head.headers["x-forwarded-host"], "shop.test");
    for absent in ["host", "connection", "te", "transfer-encoding"] {
        assert!(!head.headers.contains_key(absent), "{absent}");
    }
}

#[test]
fn requests_share_one_connection() {
    const AT_ONCE: usize = 8;
    let (arrived, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counter, gate) = (Arc::clone(&arrived), Arc::clone(&go));
    let backend = AsyncBackend::http2(None, move |mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            stream.say("ok");
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = h2c(plan(&endpoints)).get();
    let mut clients: Vec<_> = (0..AT_ONCE).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.write(get.as_bytes());
    }
    until("all requests", || arrived.load(Ordering::SeqCst) == AT_ONCE);
    go.add_permits(AT_ONCE);
    for client in &mut clients {
        assert_eq!(client.read_reply(false).text(), "ok");
    }
    assert_eq!(backend.connections(), 1);
    assert_eq!(proxy.gateway.stats().upstream_connections, 1);
}

#[test]
fn trailers_pass_both_ways() {
    let heads = Heads::default();
    let note = noting(&heads);
    let backend = AsyncBackend::http2(None, move |stream| {
        if stream.request.uri().path() == "/request" {
            return note(stream);
        }
        Box::pin(async move {
            let mut stream = stream;
            let response = Response::builder().header("trailer", "x-sum");
            let response = response.body(()).unwrap();
            let mut body = stream.respond.send_response(response, false).unwrap();
            body.send_data(Bytes::from_static(b"ok"), false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("7"));
            body.send_trailers(trailers).unwrap();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints)).line();
    let reply = proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n{line}\r\n"
    ));
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.trailers, ["x-sum: 7"]);
    let reply = proxy.send(&format!(
        "POST /request HTTP/1.1\r\nhost: a\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n{line}\r\n\
         2\r\nab\r\n0\r\nx-end: 8\r\n\r\n"
    ));
    assert_eq!(reply.text(), "ab");
    assert_eq!(heads.lock().unwrap()[0].headers["x-test-end"], "8");
}

#[test]
fn bodies_stream_both_ways_at_the_same_time() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let mut out = stream
                .respond
                .send_response(Response::new(()), false)
                .unwrap();
            let body = stream.request.body_mut();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                out.send_data(data, false).unwrap();
            }
            out.send_data(Bytes::new(), true).unwrap();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints)).line();
    let mut client = proxy.connect();
    client.write(
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{line}\r\n")
            .as_bytes(),
    );
    while client.line().unwrap() != "" {}
    for piece in ["one", "two", "six"] {
        client.write(format!("3\r\n{piece}\r\n").as_bytes());
        assert_eq!(client.line().unwrap(), "3");
        assert_eq!(client.line().unwrap(), piece);
    }
    client.write(b"0\r\n\r\n");
    assert_eq!(client.line().unwrap(), "0");
}

#[test]
fn a_large_body_passes_both_ways() {
    let big = "0123456789abcdef".repeat(256 * 1024);
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let (body, _) = stream.read().await;
            stream.say(&String::from_utf8(body).unwrap());
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints)).line();
    let reply = proxy.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{line}\r\n{big}",
        big.len()
    ));
    assert!(reply.body == big.as_bytes());
}

#[test]
fn grpc_has_te_and_its_status_in_trailers() {
    let ca = Ca::new("ours");
    let tls = ca.leaf(&["grpc.test"]).server(&["h2"], None);
    for (protocol, tls) in [(Protocol::Grpc, None), (Protocol::Grpcs, Some(tls))] {
        let secure = tls.is_some();
        let backend = AsyncBackend::http2(tls, |mut stream| {
            Box::pin(async move {
                stream.read().await;
                let te = stream.request.headers().get("te");
                let scheme = stream.request.uri().scheme_str().unwrap();
                let response = Response::builder()
                    .header("content-type", "application/grpc")
                    .header("trailer", "grpc-status")
                    .header("x-te", te.unwrap())
                    .header("x-scheme", scheme);
                let response = response.body(()).unwrap();
                let mut body = stream.respond.send_response(response, false).unwrap();
                body.send_data(Bytes::from_static(b"message"), false)
                    .unwrap();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                body.send_trailers(trailers).unwrap();
            })
        });
        let proxy = Proxy::start();
        let endpoints = [backend.addr];
        let line = plan(&endpoints)
            .change(|plan| {
                plan.protocol = protocol;
                plan.tls = secure.then_some(UpstreamTls {
                    policy: 0,
                    server_name: b"grpc.test",
                });
            })
            .line();
        let reply = proxy.send(&format!(
            "POST /p.S/M HTTP/1.1\r\nhost: a\r\nte: trailers\r\ncontent-type: application/grpc\r\n\
             content-length: 2\r\n{line}\r\nhi"
        ));
        assert_eq!(reply.text(), "message", "{reply:?}");
        assert_eq!(reply.trailers, ["grpc-status: 0"]);
        assert_eq!(reply.header("x-te"), Some("trailers"));
        let scheme = if secure { "https" } else { "http" };
        assert_eq!(reply.header("x-scheme"), Some(scheme));
        let alpn = backend.accepted().remove(0).alpn;
        assert_eq!(alpn.as_deref(), secure.then_some("h2"));
    }
}

#[test]
fn a_connection_that_is_gone_is_made_anew() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            stream.say(if stream.connection == 0 {
                "first"
            } else {
                "second"
            });
            stream.go_away();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints)).line();
    // A POST: what goes wrong on the way must not have been sent, or it is not sent again.
    let post = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n{line}\r\nhi");
    assert_eq!(proxy.send(&post).text(), "first");
    until("another connection", || {
        let reply = proxy.send(&post);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.text() == "second"
    });
}

#[test]
fn a_connection_that_closes_under_a_request_costs_no_try() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            if stream.connection == 0 && stream.request.uri().path() == "/second" {
                stream.close();
                // A stream that is dropped would be reset first.
                std::future::pending::<()>().await;
            }
            stream.say("ok");
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = h2c(plan(&endpoints)).get();
    assert_eq!(proxy.send(&get).text(), "ok");
    assert_eq!(
        proxy.send(&get.replace("GET /", "GET /second")).text(),
        "ok"
    );
    assert_eq!(backend.connections(), 2);
    assert_eq!(proxy.gateway.stats().stale_connections, 1);
}

#[test]
fn a_stream_that_is_reset_is_a_failed_try_and_the_connection_stays() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            match stream.request.uri().path() {
                "/reset" => stream.respond.send_reset(h2::Reason::INTERNAL_ERROR),
                _ => stream.say("ok"),
            }
        })
    });
    let other = AsyncBackend::http2(None, saying("other"));
    let proxy = Proxy::start();
    let endpoints = [backend.addr, other.addr];
    let get = h2c(plan(&endpoints).tries(2)).get();
    assert_eq!(proxy.send(&get).text(), "ok");
    let reset = get.replace("GET /", "GET /reset");
    assert_eq!(proxy.send(&reset).text(), "other");
    let post = reset.replace("GET ", "POST ");
    assert_eq!(proxy.send(&post).status, 502, "not sent twice");
    assert_eq!(proxy.send(&get).text(), "ok");
    assert_eq!(backend.connections(), 1);
    assert_eq!(proxy.gateway.stats().stale_connections, 0);
}

#[test]
fn a_stream_that_is_refused_was_not_processed_and_goes_on() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            stream.respond.send_reset(h2::Reason::REFUSED_STREAM);
        })
    });
    let other = AsyncBackend::http2(None, saying("other"));
    let proxy = Proxy::start();
    let endpoints = [backend.addr, other.addr];
    let post = h2c(plan(&endpoints).tries(2))
        .get()
        .replace("GET ", "POST ");
    assert_eq!(proxy.send(&post).text(), "other");
}

#[test]
fn a_try_that_takes_too_long_ends_its_stream_only() {
    let (reset, done) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (told, count) = (Arc::clone(&reset), Arc::clone(&done));
    let backend = AsyncBackend::http2(None, move |mut stream| {
        let (told, count) = (Arc::clone(&told), Arc::clone(&count));
        Box::pin(async move {
            if stream.request.uri().path() != "/slow" {
                stream.say("ok");
                return;
            }
            let ended = std::future::poll_fn(|cx| stream.respond.poll_reset(cx)).await;
            assert_eq!(ended.unwrap(), h2::Reason::CANCEL);
            count.fetch_add(1, Ordering::SeqCst);
            told.notify_one();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = h2c(plan(&endpoints))
        .change(|plan| {
            plan.deadlines = Deadlines {
                request: 0,
                attempt: 100,
            };
        })
        .get();
    assert_eq!(proxy.send(&get.replace("GET /", "GET /slow")).status, 504);
    until("the reset", || done.load(Ordering::SeqCst) == 1);
    assert_eq!(proxy.send(&get).text(), "ok");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn an_upstream_that_speaks_no_http2_is_502() {
    let backend = Backend::scripted(|peer| {
        peer.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    let proxy = Proxy::start();
    assert_eq!(proxy.send(&h2c(plan(&[backend.addr])).get()).status, 502);
}

#[test]
fn a_host_that_is_no_authority_is_refused() {
    let backend = AsyncBackend::http2(None, saying("ok"));
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = h2c(plan(&endpoints)).line();
    let reply = proxy.send(&format!("GET / HTTP/1.1\r\nhost: a\u{e4}\r\n{line}\r\n"));
    assert_eq!(reply.status, 400, "{reply:?}");
    let of_the_plan = h2c(plan(&endpoints)).change(|plan| plan.host = Some(b"a b"));
    assert_eq!(proxy.send(&of_the_plan.get()).status, 500);
}

#[test]
fn the_echo_answers_over_http2_too() {
    let endpoint = "10.255.0.1:80".parse().unwrap();
    let mut registry = EchoRegistry::new();
    registry.insert(
        endpoint,
        EchoIdentity {
            service: "cart".to_owned(),
            ..EchoIdentity::default()
        },
    );
    let proxy = Proxy::start();
    proxy.gateway.set_echo(registry);
    for protocol in [
        Protocol::H2c,
        Protocol::Grpc,
        Protocol::Grpcs,
        Protocol::Https,
    ] {
        let endpoints = [endpoint];
        let get = plan(&endpoints).change(|plan| plan.protocol = protocol);
        let json = proxy.send(&get.get()).json();
        assert_eq!(
            (&json["service"], &json["host"]),
            (&"cart".into(), &"a".into()),
            "{protocol:?}"
        );
    }
}

#[test]
fn a_mirror_may_speak_http2() {
    let heads = Heads::default();
    let (backend, mirror) = (
        Backend::saying("ok"),
        AsyncBackend::http2(None, noting(&heads)),
    );
    let proxy = Proxy::start();
    let (endpoints, at) = ([backend.addr], [mirror.addr]);
    let mirrors = [Mirror {
        protocol: Protocol::H2c,
        endpoints: &at,
    }];
    let line = plan(&endpoints)
        .change(|plan| plan.mirrors = &mirrors)
        .line();
    let reply = proxy.send(&format!(
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n{line}\r\nhi"
    ));
    assert_eq!(reply.text(), "ok");
    until("the copy", || proxy.gateway.stats().mirrors_sent == 1);
    let head = heads.lock().unwrap().remove(0);
    assert_eq!(head.uri.to_string(), "http://a/p");
    assert_eq!(head.headers["content-length"], "2");
}
