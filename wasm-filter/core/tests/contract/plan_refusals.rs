//! What the encoder of `kong.silverback.plan` refuses.

use silverback_core::contract::plan::{OwnedMirror, OwnedPlan, OwnedRetryOn, Protocol};

use crate::cases::error;
use crate::fixture::{encode, good};

fn header(name: &[u8], value: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(name.to_vec(), value.to_vec())]
}

fn retry(backoff: u32, codes: &[u16]) -> Option<OwnedRetryOn> {
    let codes = codes.to_vec();
    Some(OwnedRetryOn { backoff, codes })
}

fn mirror(endpoints: usize, port: u16) -> OwnedMirror {
    OwnedMirror {
        protocol: Protocol::Http,
        endpoints: vec![([10, 0, 0, 1], port).into(); endpoints],
    }
}

#[test]
fn the_encoder_refuses_what_the_decoder_would() {
    type Change = fn(&mut OwnedPlan);
    let rows: [(&str, Change, &str); 45] = [
        ("no endpoint", |p| p.endpoints.clear(), "count endpoints"),
        (
            "17 endpoints",
            |p| p.endpoints = vec![p.endpoints[0]; 17],
            "count endpoints",
        ),
        ("no tries", |p| p.tries = 0, "bad tries"),
        (
            "connect timeout 0",
            |p| p.timeouts.connect = 0,
            "bad timeouts",
        ),
        ("send timeout 0", |p| p.timeouts.send = 0, "bad timeouts"),
        (
            "read timeout beyond nginx's number",
            |p| p.timeouts.read = 1 << 31,
            "bad timeouts",
        ),
        ("port 0", |p| p.endpoints[0].set_port(0), "bad endpoints"),
        (
            "LF in the host",
            |p| p.host = Some(b"a\nb".to_vec()),
            "bad host",
        ),
        (
            "CR in the URI",
            |p| p.uri = Some(b"/\r".to_vec()),
            "bad uri",
        ),
        (
            "NUL in a header's name",
            |p| p.remove_headers = vec![b"a\0".to_vec()],
            "bad remove_header",
        ),
        (
            "an empty header's name",
            |p| p.remove_headers = vec![Vec::new()],
            "bad remove_header",
        ),
        (
            "LF in the server name",
            |p| p.tls = Some((0, b"\n".to_vec())),
            "bad tls",
        ),
        (
            "LF in the route's name",
            |p| p.route_name = b"\n".to_vec(),
            "bad route_name",
        ),
        (
            "LF in the service's name",
            |p| p.service_name = b"\n".to_vec(),
            "bad service_name",
        ),
        ("NUL in the tags", |p| p.tags = b"\0".to_vec(), "bad tags"),
        (
            "a host too long",
            |p| p.host = Some(vec![b'a'; 65_536]),
            "long host",
        ),
        (
            "a URI too long",
            |p| p.uri = Some(vec![b'a'; 65_536]),
            "long uri",
        ),
        (
            "a server name too long",
            |p| p.tls = Some((0, vec![b'a'; 65_528])),
            "long tls",
        ),
        (
            "no name of a header to set",
            |p| p.set_headers = header(b"", b"v"),
            "bad set_header",
        ),
        (
            "upper case in the name of a header to set",
            |p| p.set_headers = header(b"X", b"v"),
            "bad set_header",
        ),
        (
            "the host as a header to set",
            |p| p.set_headers = header(b"host", b"v"),
            "bad set_header",
        ),
        (
            "the length as a header to set",
            |p| p.set_headers = header(b"content-length", b"1"),
            "bad set_header",
        ),
        (
            "the coding as a header to set",
            |p| p.set_headers = header(b"transfer-encoding", b"v"),
            "bad set_header",
        ),
        (
            "the connection as a header to set",
            |p| p.set_headers = header(b"connection", b"v"),
            "bad set_header",
        ),
        (
            "LF in the value of a header to set",
            |p| p.set_headers = header(b"x", b"\n"),
            "bad set_header",
        ),
        (
            "the name of a header to set too long",
            |p| p.set_headers = header(&[b'n'; 256], b"v"),
            "long set_header",
        ),
        (
            "a header to set too long",
            |p| p.set_headers = header(b"x", &[b'v'; 65_534]),
            "long set_header",
        ),
        (
            "no name of a header to add",
            |p| p.add_headers = header(b"", b"v"),
            "bad add_header",
        ),
        (
            "upper case in the name of a header to add",
            |p| p.add_headers = header(b"X", b"v"),
            "bad add_header",
        ),
        (
            "the host as a header to add",
            |p| p.add_headers = header(b"host", b"v"),
            "bad add_header",
        ),
        (
            "the length as a header to add",
            |p| p.add_headers = header(b"content-length", b"1"),
            "bad add_header",
        ),
        (
            "the coding as a header to add",
            |p| p.add_headers = header(b"transfer-encoding", b"v"),
            "bad add_header",
        ),
        (
            "the connection as a header to add",
            |p| p.add_headers = header(b"connection", b"v"),
            "bad add_header",
        ),
        (
            "LF in the value of a header to add",
            |p| p.add_headers = header(b"x", b"\n"),
            "bad add_header",
        ),
        (
            "the name of a header to add too long",
            |p| p.add_headers = header(&[b'n'; 256], b"v"),
            "long add_header",
        ),
        (
            "a header to add too long",
            |p| p.add_headers = header(b"x", &[b'v'; 65_534]),
            "long add_header",
        ),
        (
            "a deadline beyond nginx's number",
            |p| p.deadlines.request = 1 << 31,
            "bad deadlines",
        ),
        (
            "a try's deadline beyond nginx's number",
            |p| p.deadlines.attempt = 1 << 31,
            "bad deadlines",
        ),
        (
            "retries on 399",
            |p| p.retry = retry(0, &[399]),
            "bad retry",
        ),
        (
            "retries on 600",
            |p| p.retry = retry(0, &[503, 600]),
            "bad retry",
        ),
        (
            "a pause beyond nginx's number",
            |p| p.retry = retry(1 << 31, &[]),
            "bad retry",
        ),
        (
            "201 codes",
            |p| p.retry = retry(0, &[503; 201]),
            "count retry",
        ),
        (
            "five mirrors",
            |p| p.mirrors = vec![mirror(1, 80); 5],
            "count mirror",
        ),
        (
            "a mirror without endpoints",
            |p| p.mirrors = vec![mirror(0, 80)],
            "count mirror",
        ),
        (
            "a mirror at port 0",
            |p| p.mirrors = vec![mirror(1, 0)],
            "bad mirror",
        ),
    ];
    for (name, change, wanted) in rows {
        let mut plan = good();
        change(&mut plan);
        let refused = encode(&plan).map_err(error);
        assert_eq!(refused, Err(wanted.to_owned()), "{name}");
    }
    let mut longest = good();
    longest.uri = Some(vec![b'a'; 65_535]);
    longest.endpoints = vec![longest.endpoints[0]; 16];
    longest.set_headers = header(&[b'n'; 255], &[b'v'; 65_279]);
    longest.retry = retry(0, &[503; 200]);
    longest.mirrors = vec![mirror(16, 1); 4];
    let bytes = encode(&longest).expect("the longest");
    assert_eq!(OwnedPlan::decode(&bytes), Ok(longest));
}
