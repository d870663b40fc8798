//! gRPC all the way: HTTP/2 from the client and to the upstream.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use silverback_core::contract::plan::Protocol;

use crate::async_backend::AsyncBackend;
use crate::support::{PATIENCE, Proxy, plan};

#[test]
fn a_call_streams_both_ways_and_ends_with_its_status() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let response = Response::builder().header("content-type", "application/grpc");
            let response = response.body(()).unwrap();
            let mut out = stream.respond.send_response(response, false).unwrap();
            let body = stream.request.body_mut();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).unwrap();
                out.send_data(data, false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            out.send_trailers(trailers).unwrap();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let hex = plan(&endpoints)
        .change(|plan| plan.protocol = Protocol::Grpc)
        .hex();
    let call = async {
        let io = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
        let (sender, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut sender = sender.ready().await.unwrap();
        let request = Request::post("http://grpc.test/package.Service/Method")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-test-plan", hex);
        let request = request.body(()).unwrap();
        let (response, mut messages) = sender.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let mut answers = response.into_body();
        // Each message is answered before the next one is sent.
        for message in ["one", "two", "three"] {
            messages.send_data(Bytes::from(message), false).unwrap();
            let answer = answers.data().await.unwrap().unwrap();
            assert_eq!(answer, message);
            let control = answers.flow_control();
            control.release_capacity(answer.len()).unwrap();
        }
        messages.send_data(Bytes::new(), true).unwrap();
        assert!(answers.data().await.is_none());
        let trailers = answers.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await.unwrap() });
}

#[test]
fn frames_that_say_nothing_are_not_passed_on() {
    // More than h2 takes of them on one connection, in its whole life.
    const CALLS: usize = 150;
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let mut out = {
                let response = Response::builder().body(()).unwrap();
                stream.respond.send_response(response, false).unwrap()
            };
            let (message, trailers) = stream.read().await;
            assert_eq!((&*message, trailers), (&b"message"[..], None));
            out.send_data(message.into(), false).unwrap();
            out.send_data(Bytes::new(), true).unwrap();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let hex = plan(&endpoints)
        .change(|plan| plan.protocol = Protocol::Grpc)
        .hex();
    let calls = async {
        let io = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
        let (sender, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..CALLS {
            let mut sender = sender.clone().ready().await.unwrap();
            let request = Request::post("http://grpc.test/package.Service/Method")
                .header("x-test-plan", &hex)
                .body(());
            let (response, mut messages) = sender.send_request(request.unwrap(), false).unwrap();
            messages.send_data(Bytes::from("message"), false).unwrap();
            messages.send_data(Bytes::new(), true).unwrap();
            let mut answers = response.await.unwrap().into_body();
            assert_eq!(answers.data().await.unwrap().unwrap(), "message");
            let end = answers.data().await;
            assert!(end.is_none_or(|end| end.unwrap().is_empty()));
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, calls).await.unwrap() });
    assert_eq!(backend.connections(), 1);
}
