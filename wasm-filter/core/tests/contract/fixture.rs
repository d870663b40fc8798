//! Plans of the cases, and their bytes.

use serde_json::Value;
use silverback_core::contract::WireError;
use silverback_core::contract::plan::{
    Deadlines, Mirror, OwnedMirror, OwnedPlan, OwnedRetryOn, Plan, Protocol, RetryOn, Timeouts,
    UpstreamTls,
};

use crate::cases::bytes;

/// The plan of a case; fields that are not given have their defaults.
pub(crate) fn plan(fields: &Value) -> OwnedPlan {
    let text = |name: &str| fields.get(name).map(bytes);
    let number = |value: &Value| value.as_u64().expect("a number");
    let ms = |value: &Value| number(value) as u32;
    let list = |name: &str| {
        let list = fields.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let headers = |name: &str| {
        let list = list(name);
        let pair = |pair: &Value| (bytes(&pair[0]), bytes(&pair[1]));
        list.iter().map(pair).collect()
    };
    OwnedPlan {
        epoch: number(&fields["epoch"]),
        rule: number(&fields["rule"]),
        endpoints: endpoints(&fields["endpoints"]),
        timeouts: fields
            .get("timeouts")
            .map_or(Timeouts::default(), |t| Timeouts {
                connect: ms(&t[0]),
                send: ms(&t[1]),
                read: ms(&t[2]),
            }),
        deadlines: fields
            .get("deadlines")
            .map_or(Deadlines::default(), |d| Deadlines {
                request: ms(&d[0]),
                attempt: ms(&d[1]),
            }),
        tries: fields.get("tries").map_or(1, |tries| number(tries) as u8),
        retry: fields.get("retry").map(|retry| OwnedRetryOn {
            backoff: ms(&retry["backoff"]),
            codes: array(&retry["codes"])
                .iter()
                .map(|code| number(code) as u16)
                .collect(),
        }),
        protocol: fields.get("protocol").map_or(Protocol::Http, protocol),
        host: text("host"),
        uri: text("uri"),
        remove_headers: list("remove_headers").iter().map(bytes).collect(),
        set_headers: headers("set_headers"),
        add_headers: headers("add_headers"),
        tls: fields
            .get("tls")
            .map(|tls| (number(&tls["policy"]), bytes(&tls["server_name"]))),
        mirrors: list("mirrors")
            .iter()
            .map(|mirror| OwnedMirror {
                protocol: protocol(&mirror["protocol"]),
                endpoints: endpoints(&mirror["endpoints"]),
            })
            .collect(),
        plugin_set: fields.get("plugin_set").map_or(0, number),
        route_name: text("route_name").unwrap_or_default(),
        service_name: text("service_name").unwrap_or_default(),
        tags: text("tags").unwrap_or_default(),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn endpoints(list: &Value) -> Vec<core::net::SocketAddr> {
    let address = |e: &Value| e.as_str().and_then(|e| e.parse().ok());
    array(list)
        .iter()
        .map(|e| address(e).expect("an address"))
        .collect()
}

fn protocol(name: &Value) -> Protocol {
    match name.as_str() {
        Some("http") => Protocol::Http,
        Some("https") => Protocol::Https,
        Some("grpc") => Protocol::Grpc,
        Some("grpcs") => Protocol::Grpcs,
        Some("h2c") => Protocol::H2c,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn encode(plan: &OwnedPlan) -> Result<Vec<u8>, WireError> {
    let removed: Vec<&[u8]> = plan.remove_headers.iter().map(|n| &n[..]).collect();
    let set = pairs(&plan.set_headers);
    let added = pairs(&plan.add_headers);
    let mirrors: Vec<Mirror<'_>> = plan
        .mirrors
        .iter()
        .map(|mirror| Mirror {
            protocol: mirror.protocol,
            endpoints: &mirror.endpoints,
        })
        .collect();
    let mut out = Vec::new();
    let borrowed = Plan {
        epoch: plan.epoch,
        rule: plan.rule,
        endpoints: &plan.endpoints,
        timeouts: plan.timeouts,
        deadlines: plan.deadlines,
        tries: plan.tries,
        retry: plan.retry.as_ref().map(|retry| RetryOn {
            backoff: retry.backoff,
            codes: &retry.codes,
        }),
        protocol: plan.protocol,
        host: plan.host.as_deref(),
        uri: plan.uri.as_deref(),
        remove_headers: &removed,
        set_headers: &set,
        add_headers: &added,
        tls: plan.tls.as_ref().map(|(policy, server_name)| UpstreamTls {
            policy: *policy,
            server_name,
        }),
        mirrors: &mirrors,
        plugin_set: plan.plugin_set,
        route_name: &plan.route_name,
        service_name: &plan.service_name,
        tags: &plan.tags,
    };
    borrowed.encode(&mut out).map(|()| out)
}

fn pairs(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<(&[u8], &[u8])> {
    headers.iter().map(|(n, v)| (&n[..], &v[..])).collect()
}

pub(crate) fn good() -> OwnedPlan {
    plan(&serde_json::json!({"epoch": 1, "rule": 2, "endpoints": ["10.0.0.1:80"]}))
}
