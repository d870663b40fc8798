//! Upstreams: every endpoint of the sets is an address of the loopback, and says who it is and what
//! it got.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use silverback::gateway::{EchoIdentity, EchoRegistry};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::certs::{Authority, leaf};
use crate::verdict::RESPONSE;

/// Names a request for the upstreams.
pub(crate) const ID: &str = "x-ask";

/// Ports of the sets' endpoints.
const PORTS: [u16; 4] = [80, 443, 8080, 8081];

/// All upstreams.
pub(crate) struct Upstreams {
    /// Port of a set -> port here.
    ports: BTreeMap<u16, u16>,
    arrivals: Arc<Arrivals>,
    _runtime: Runtime,
}

/// What arrived, copies included.
#[derive(Default)]
struct Arrivals {
    next: AtomicU64,
    /// Numbers and endpoints by the request's id.
    by_id: Mutex<HashMap<String, Vec<(u64, SocketAddr)>>>,
}

/// Where a request arrived.
#[derive(Clone, Copy)]
struct Place {
    endpoint: SocketAddr,
    tls: bool,
}

impl Upstreams {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let arrivals = Arc::<Arrivals>::default();
        let tls = TlsAcceptor::from(server_config());
        let ports = PORTS.map(|port| {
            let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)));
            let listener = listener.unwrap();
            let own = listener.local_addr().unwrap().port();
            runtime.spawn(accept(listener, tls.clone(), Arc::clone(&arrivals)));
            (port, own)
        });
        Self {
            ports: ports.into(),
            arrivals,
            _runtime: runtime,
        }
    }

    /// An EndpointSlice with addresses and ports that there are here.
    pub(crate) fn localize(&self, slice: &mut Value) {
        for endpoint in slice["endpoints"].as_array_mut().into_iter().flatten() {
            for address in endpoint["addresses"].as_array_mut().into_iter().flatten() {
                let ip: IpAddr = address.as_str().unwrap().parse().unwrap();
                *address = local(ip).to_string().into();
            }
        }
        for port in slice["ports"].as_array_mut().into_iter().flatten() {
            let known = u16::try_from(port["port"].as_u64().unwrap()).unwrap();
            port["port"] = self.ports[&known].into();
        }
        slice["addressType"] = "IPv4".into();
    }

    /// The endpoint here. Those of an ExternalName have the Service's port and not one that is
    /// chosen: they are echoes of the gateway.
    pub(crate) fn here(&self, endpoint: SocketAddr) -> SocketAddr {
        if is_resolved(endpoint.ip()) {
            return endpoint;
        }
        SocketAddr::new(local(endpoint.ip()).into(), self.ports[&endpoint.port()])
    }

    /// The endpoints that a request has arrived at, without the one that the client was told of.
    pub(crate) fn copies(&self, id: &str, answered: u64) -> Vec<SocketAddr> {
        let by_id = self.arrivals.by_id.lock().unwrap();
        let arrived = by_id.get(id).map_or(&[][..], Vec::as_slice);
        let copies = arrived.iter().filter(|(number, _)| *number != answered);
        copies.map(|(_, endpoint)| *endpoint).collect()
    }
}

/// Is it an address that a name was resolved to?
pub(crate) fn is_resolved(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[..2] == [10, 9])
}

/// Those addresses, with the ports of Services.
pub(crate) fn echoes() -> EchoRegistry {
    let hosts = (0..2).flat_map(|net| (1..=5).map(move |host| Ipv4Addr::new(10, 9, net, host)));
    let endpoints = hosts.flat_map(|ip| [80, 81].map(|port| SocketAddr::from((ip, port))));
    let echo = |endpoint: SocketAddr| {
        let pod = endpoint.to_string();
        let identity = EchoIdentity {
            pod,
            ..EchoIdentity::default()
        };
        (endpoint, identity)
    };
    endpoints.map(echo).collect()
}

/// What an echo said, in the words of the upstreams.
pub(crate) fn of_echo(body: &Value) -> Option<Value> {
    let endpoint = body["pod"].as_str()?;
    let headers = body["headers"].as_object()?.iter();
    let lines = headers.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten();
        values.map(move |value| json!([name, value]))
    });
    Some(
        json!({"endpoint": endpoint, "echo": true, "host": body["host"], "uri": body["path"],
        "method": body["method"], "headers": lines.collect::<Vec<_>>()}),
    )
}

/// 10.1.2.3 is 127.1.2.3; fd00::3 is 127.255.0.3.
fn local(ip: IpAddr) -> Ipv4Addr {
    match ip {
        IpAddr::V4(v4) => {
            let [_, b, c, d] = v4.octets();
            Ipv4Addr::new(127, b, c, d)
        }
        IpAddr::V6(v6) => Ipv4Addr::new(127, 255, 0, v6.octets()[15]),
    }
}

fn server_config() -> Arc<ServerConfig> {
    let pair = Authority::new().issue("upstream.example");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_single_cert(vec![leaf(&pair)], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, arrivals: Arc<Arrivals>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, tls.clone(), Arc::clone(&arrivals)));
    }
}

/// HTTP/1.1 or HTTP/2, with TLS or without, as the first bytes say.
async fn serve(stream: TcpStream, tls: TlsAcceptor, arrivals: Arc<Arrivals>) {
    let endpoint = stream.local_addr().unwrap();
    let mut first = [0; 3];
    let Ok(read) = stream.peek(&mut first).await else {
        return;
    };
    // 22 is a handshake (RFC 8446 5.1).
    if first[0] == 22 {
        let Ok(stream) = tls.accept(stream).await else {
            return;
        };
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let place = Place {
            endpoint,
            tls: true,
        };
        speak(stream, http2, place, arrivals).await;
    } else {
        let http2 = first[..read] == *b"PRI";
        let place = Place {
            endpoint,
            tls: false,
        };
        speak(stream, http2, place, arrivals).await;
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    place: Place,
    arrivals: Arc<Arrivals>,
) {
    let service = service_fn(move |request| {
        let response = answer(&request, place, &arrivals);
        async move { Ok::<_, Infallible>(response) }
    });
    let io = TokioIo::new(stream);
    // The client side closes when it likes.
    let _ = if http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}

fn answer(request: &Request<Incoming>, place: Place, arrivals: &Arrivals) -> Response<Full<Bytes>> {
    let number = arrivals.next.fetch_add(1, Ordering::Relaxed);
    let lossy = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let id = request.headers().get(ID).map(lossy).unwrap_or_default();
    let mut by_id = arrivals.by_id.lock().unwrap();
    by_id.entry(id).or_default().push((number, place.endpoint));
    drop(by_id);
    let authority = request.uri().authority().map(ToString::to_string);
    let host = authority.or_else(|| request.headers().get("host").map(lossy));
    let headers: Vec<(&str, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), lossy(value)))
        .collect();
    let body = json!({
        "number": number,
        "endpoint": place.endpoint.to_string(),
        "tls": place.tls,
        "http2": request.version() == Version::HTTP_2,
        "host": host,
        "uri": request.uri().path_and_query().map(|path| path.as_str()),
        "method": request.method().as_str(),
        "headers": headers,
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    for (name, value) in RESPONSE {
        let value = http::HeaderValue::from_static(value);
        response.headers_mut().append(name, value);
    }
    response
}
