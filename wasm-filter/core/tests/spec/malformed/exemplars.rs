//! The objects whose requests are watched, and one object of each kind that is broken.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::rows::service;

const V1: &str = "gateway.networking.k8s.io/v1";
const OLD: &str = "2000-01-01T00:00:00Z";

/// Who answers [`asks`].
pub(crate) const WANTED: [&str; 12] = [
    "a.web.s.web.example.80",
    "a.web.s.web.example.80",
    "a.web.s._.web.example.80",
    "httproute.a.http.0.0",
    "httproute.a.http.0.1",
    "httproute.a.http.1.0",
    "302",
    "500",
    "grpcroute.a.grpc.0.0",
    "httproute.a.http.0.0",
    "httproute.a.wild.0.0",
    "400",
];

pub(crate) fn asks() -> Vec<Ask> {
    let at = |host: &str, target: &str| Ask::get(host, target);
    vec![
        at("web.example", "/"),
        at("web.example", "/foo/42"),
        at("x.web.example", "/deep/path?q"),
        at("http.example", "/a"),
        at("http.example", "/b").header("x-env", "t1"),
        at("http.example", "/mixed"),
        at("http.example", "/old/x"),
        at("http.example", "/denied"),
        at("grpc.example", "/foo.Bar/Get").method("POST"),
        at("http.example", "/a").port(443).tls("http.example"),
        at("x.y.wild.example", "/"),
        at("http.example", "/%zz"),
    ]
}

fn meta(name: &str) -> Value {
    json!({"namespace": "a", "name": name, "creationTimestamp": OLD})
}

pub(crate) fn base() -> Vec<Value> {
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let mut out = vec![
        json!({"apiVersion": V1, "kind": "GatewayClass", "metadata": {"name": "ours"},
            "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "kong"},
            "spec": {"controller": "ingress-controllers.konghq.com/kong"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "red"}}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": meta("t")}),
        json!({"apiVersion": V1, "kind": "Gateway", "metadata": meta("gw"),
            "spec": {"gatewayClassName": "ours", "allowedListeners": {"namespaces": {"from": "All"}},
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
                {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "t"}]}}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("web"),
            "spec": {"ingressClassName": "kong", "rules": [
                {"host": "web.example", "http": {"paths": [
                    {"path": "/", "pathType": "Prefix", "backend": backend},
                    {"path": r"/~/foo/\d+", "pathType": "ImplementationSpecific", "backend": backend}]}},
                {"host": "*.web.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
        json!({"apiVersion": V1, "kind": "HTTPRoute", "metadata": meta("http"),
            "spec": {"parentRefs": [{"name": "gw"}], "hostnames": ["http.example"], "rules": [
                {"matches": [{"path": {"value": "/a"}}, {"headers": [{"name": "X-Env", "type": "RegularExpression", "value": "t[0-9]"}]}],
                 "backendRefs": [{"name": "s", "port": 80}]},
                {"matches": [{"path": {"value": "/mixed"}}],
                 "backendRefs": [{"name": "s", "port": 80}, {"name": "none", "port": 80}]},
                {"matches": [{"path": {"value": "/old"}}],
                 "filters": [{"type": "RequestRedirect", "requestRedirect": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}}]},
                {"matches": [{"path": {"value": "/denied"}}],
                 "backendRefs": [{"name": "s", "namespace": "b", "port": 80}]}]}}),
        json!({"apiVersion": V1, "kind": "HTTPRoute", "metadata": meta("wild"),
            "spec": {"parentRefs": [{"name": "gw"}], "hostnames": ["*.wild.example"],
                "rules": [{"backendRefs": [{"name": "s", "port": 80}]}]}}),
        json!({"apiVersion": V1, "kind": "GRPCRoute", "metadata": meta("grpc"),
            "spec": {"parentRefs": [{"name": "gw"}], "hostnames": ["grpc.example"],
                "rules": [{"matches": [{"method": {"service": "foo.Bar"}}], "backendRefs": [{"name": "s", "port": 80}]}]}}),
    ];
    out.extend(service("a", "s", 1));
    out.extend(service("b", "s", 2));
    out
}

/// One object of each kind with all of its fields, for hosts of their own.
pub(crate) fn exemplars() -> Vec<Value> {
    let mut out = vec![ingress(), http_route(), grpc_route()];
    out.extend(gateways());
    out.extend(services());
    out.extend(kong());
    out
}

fn bad() -> Value {
    json!({"namespace": "a", "name": "bad", "creationTimestamp": "2022-01-01T00:00:00Z",
        "generation": 3, "uid": "0", "labels": {"x": "y"}})
}

fn ingress() -> Value {
    let mut metadata = bad();
    metadata["annotations"] = json!({
        "konghq.com/strip-path": "true", "konghq.com/preserve-host": "false",
        "konghq.com/path-handling": "v1", "konghq.com/methods": "GET,POST",
        "konghq.com/headers.x-env": "t,p", "konghq.com/headers-separator": ",",
        "konghq.com/host-aliases": "alias.bad.example", "konghq.com/snis": "bad.example",
        "konghq.com/protocols": "http,https", "konghq.com/https-redirect-status-code": "301",
        "konghq.com/regex-prefix": "/~", "konghq.com/rewrite": "/x", "konghq.com/tags": "one,two",
        "konghq.com/plugins": "bad", "konghq.com/regex-priority": "1",
        "konghq.com/request-buffering": "true", "konghq.com/response-buffering": "true",
        "ingress.kubernetes.io/force-ssl-redirect": "false"});
    let backend = json!({"service": {"name": "bad", "port": {"number": 80}}});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata,
        "spec": {"ingressClassName": "kong", "defaultBackend": backend,
            "tls": [{"hosts": ["bad.example"], "secretName": "bad"}],
            "rules": [{"host": "bad.example", "http": {"paths": [
                {"path": "/bad", "pathType": "Prefix", "backend": backend},
                {"path": r"/~/bad/(\d+)", "pathType": "ImplementationSpecific",
                 "backend": {"service": {"name": "bad", "port": {"name": "http"}}}}]}}]}})
}

fn http_route() -> Value {
    let reference =
        json!({"group": "", "kind": "Service", "name": "bad", "namespace": "a", "port": 80});
    let headers = json!({"set": [{"name": "x-a", "value": "1"}], "add": [{"name": "x-b", "value": "2"}], "remove": ["x-c"]});
    let mut weighted = reference.clone();
    weighted["weight"] = json!(2);
    weighted["filters"] =
        json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": headers}]);
    json!({"apiVersion": V1, "kind": "HTTPRoute", "metadata": bad(),
        "spec": {"parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "a",
                "name": "gw", "sectionName": "http", "port": 80}],
            "hostnames": ["bad.example", "*.bad.example"],
            "rules": [
                {"name": "first",
                 "matches": [{"path": {"type": "PathPrefix", "value": "/bad"}, "method": "GET",
                    "headers": [{"type": "Exact", "name": "x-env", "value": "t"}],
                    "queryParams": [{"type": "RegularExpression", "name": "q", "value": "[0-9]+"}]}],
                 "filters": [
                    {"type": "RequestHeaderModifier", "requestHeaderModifier": headers},
                    {"type": "ResponseHeaderModifier", "responseHeaderModifier": headers},
                    {"type": "URLRewrite", "urlRewrite": {"hostname": "up.bad.example",
                        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}}},
                    {"type": "RequestMirror", "requestMirror": {"backendRef": reference, "percent": 50}},
                    {"type": "RequestMirror", "requestMirror": {"backendRef": reference,
                        "fraction": {"numerator": 1, "denominator": 2}}},
                    {"type": "CORS", "cors": {"allowOrigins": ["https://bad.example"], "allowCredentials": true,
                        "allowMethods": ["GET"], "allowHeaders": ["x-a"], "exposeHeaders": ["x-b"], "maxAge": 60}},
                    {"type": "ExtensionRef", "extensionRef": {"group": "configuration.konghq.com",
                        "kind": "KongPlugin", "name": "bad"}}],
                 "backendRefs": [weighted],
                 "timeouts": {"request": "10s", "backendRequest": "2s"},
                 "retry": {"codes": [500, 503], "attempts": 2, "backoff": "100ms"},
                 "sessionPersistence": {"sessionName": "s", "type": "Cookie"}},
                {"matches": [{"path": {"type": "RegularExpression", "value": "/bad/[0-9]+"}}],
                 "filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https",
                    "hostname": "new.bad.example", "port": 8443, "statusCode": 301,
                    "path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}}]}]}})
}

fn grpc_route() -> Value {
    json!({"apiVersion": V1, "kind": "GRPCRoute", "metadata": bad(),
        "spec": {"parentRefs": [{"name": "gw", "sectionName": "http"}], "hostnames": ["grpc.bad.example"],
            "rules": [{"name": "only",
                "matches": [{"method": {"type": "Exact", "service": "bad.Svc", "method": "Get"},
                    "headers": [{"type": "RegularExpression", "name": "x-env", "value": "t.*"}]}],
                "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-c"]}}],
                "backendRefs": [{"name": "bad", "port": 80, "weight": 1}]}]}})
}

fn gateways() -> Vec<Value> {
    let listener = |protocol: &str, port: u16| {
        json!({"name": protocol.to_lowercase(), "hostname": "bad.example", "port": port, "protocol": protocol,
            "tls": {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "t", "namespace": "a"}]},
            "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "red"},
                "matchExpressions": [{"key": "team", "operator": "In", "values": ["red"]}]}},
                "kinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]}})
    };
    let mut plain = listener("HTTP", 80);
    plain.as_object_mut().expect("a listener").remove("tls");
    vec![
        json!({"apiVersion": V1, "kind": "GatewayClass", "metadata": {"name": "bad"},
            "spec": {"controllerName": "silverback.rs/gateway-controller", "description": "x",
                "parametersRef": {"group": "x", "kind": "Y", "name": "z"}}}),
        json!({"apiVersion": V1, "kind": "Gateway", "metadata": bad(),
            "spec": {"gatewayClassName": "ours", "listeners": [plain, listener("HTTPS", 443)],
                "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}],
                "allowedListeners": {"namespaces": {"from": "Same"}}}}),
        json!({"apiVersion": V1, "kind": "ListenerSet", "metadata": bad(),
            "spec": {"parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"},
                "listeners": [{"name": "set", "hostname": "set.bad.example", "port": 80, "protocol": "HTTP",
                    "allowedRoutes": {"namespaces": {"from": "Same"}}}]}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": "b", "name": "bad"},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "zzz"}],
                "to": [{"group": "", "kind": "Service", "name": "s"}]}}),
        // The other way round: what is permitted is something else.
        json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": "b", "name": "bad"},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
                "to": [{"group": "", "kind": "Secret"}]}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bad", "labels": {"team": "red"}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": bad(),
            "data": {"tls.crt": "LS0tLS1CRUdJTg==", "tls.key": "LS0tLS1CRUdJTg=="}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "bad",
            "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "ingress-controllers.konghq.com/kong", "parameters": {"apiGroup":
                "configuration.konghq.com", "kind": "IngressClassParameters", "name": "bad", "namespace": "a", "scope": "Namespace"}}}),
    ]
}

fn services() -> Vec<Value> {
    let mut metadata = bad();
    metadata["annotations"] = json!({"konghq.com/protocol": "https", "konghq.com/path": "/svc",
        "konghq.com/host-header": "up.bad.example", "konghq.com/connect-timeout": "1000",
        "konghq.com/read-timeout": "1000", "konghq.com/write-timeout": "1000", "konghq.com/retries": "3",
        "konghq.com/upstream-policy": "bad", "konghq.com/plugins": "bad", "konghq.com/tags": "x",
        "konghq.com/client-cert": "bad", "konghq.com/tls-verify": "true",
        "ingress.kubernetes.io/service-upstream": "false"});
    let mut slice = bad();
    slice["labels"] = json!({"kubernetes.io/service-name": "bad"});
    vec![
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"type": "ClusterIP", "clusterIP": "None", "selector": {"a": "b"}, "ports": [
                {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c"}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": bad(),
            "spec": {"type": "ExternalName", "externalName": "up.bad.example", "ports": [{"port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": slice,
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
            "endpoints": [{"addresses": ["10.9.9.9"], "conditions": {"ready": true, "serving": true, "terminating": false},
                "targetRef": {"kind": "Pod", "name": "p"}, "zone": "z", "nodeName": "n"}]}),
    ]
}

fn kong() -> Vec<Value> {
    vec![
        json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin", "metadata": bad(),
            "plugin": "key-auth", "config": {"key_names": ["k"]}, "protocols": ["http"], "disabled": false}),
        json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongClusterPlugin", "metadata": {"name": "bad"},
            "plugin": "key-auth", "configFrom": {"secretKeyRef": {"name": "x", "key": "y", "namespace": "a"}}}),
        json!({"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy", "metadata": bad(),
            "spec": {"algorithm": "consistent-hashing", "slots": 100, "hashOn": {"header": "x"},
                "hashOnFallback": {"input": "ip"}, "healthchecks": {"threshold": 10, "passive": {"type": "http",
                "healthy": {"successes": 1, "httpStatuses": [200]},
                "unhealthy": {"httpFailures": 1, "httpStatuses": [500], "tcpFailures": 1, "timeouts": 1}}}}}),
        json!({"apiVersion": "configuration.konghq.com/v1alpha1", "kind": "IngressClassParameters",
            "metadata": bad(), "spec": {"serviceUpstream": false, "enableLegacyRegexDetection": false}}),
    ]
}
