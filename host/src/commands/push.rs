//! `silverback push`: the manifests' table to Kong nodes.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use serde::Serialize;
use silverback_core::node::hex::HexDigest;
use silverback_core::table::hash::digest64;

use super::{Failure, Unread, token};
use crate::args::{AdminArgs, PushArgs, TableOutput};
use crate::nodes::{AdminTls, ClientOptions, Fleet, FleetOptions, NodeState, Table};
use crate::offline::Offline;
use crate::problem::Problem;
use crate::render;

const TOKEN: HeaderName = HeaderName::from_static("kong-admin-token");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    schema_version: u32,
    root: HexDigest,
    bytes: u64,
    confirmed: bool,
    nodes: &'a [NodeState],
    problems: &'a [Problem],
}

pub(super) fn run(args: &PushArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let client = client(&args.admin).map_err(Failure::usage)?;
    let set = super::load(&args.manifests.filename)?;
    let options = args.manifests.classes.cluster_options();
    let offline = Offline::new(&set, &options)?;
    render::input_in_effect(&offline, verbose)?;
    let table = Arc::new(Table::from(offline.table()));

    let refused = match args.force {
        true => None,
        false => refusal(&offline)?,
    };
    let (confirmed, nodes) = match &refused {
        Some(_) => (false, Vec::new()),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(push(args, client, &table))
        }
    };
    let mut out = anstream::stdout().lock();
    let shown = match args.output {
        TableOutput::Json => {
            let answer = Answer {
                schema_version: 1,
                root: HexDigest(table.digest()),
                bytes: table.root().table_bytes(),
                confirmed,
                nodes: &nodes,
                problems: &offline.problems,
            };
            writeln!(out, "{}", serde_json::to_string(&answer)?)
        }
        TableOutput::Table if refused.is_some() => Ok(()),
        TableOutput::Table => render::nodes(&mut out, &nodes),
    };
    super::written(shown.map_err(Failure::from))?;
    match refused {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::from(u8::from(!confirmed))),
    }
}

/// Why this table must not replace what the nodes have: routes would go that nobody took back.
fn refusal(offline: &Offline) -> Result<Option<Failure>, Failure> {
    let errors = offline.unread().count();
    if errors > 0 {
        return Ok(Some(Failure::from(Unread {
            errors,
            consequence: "nothing was pushed, since routes that they hold would be removed",
            advice: "correct them; --force pushes what is left",
        })));
    }
    if offline.has_routes()? {
        return Ok(None);
    }
    Ok(Some(Failure::from(anyhow::anyhow!(
        "there is no route in the manifests: nothing was pushed, since all routes would be removed \
         (hint: are path and class right? --force pushes the empty table)"
    ))))
}

async fn push(
    args: &PushArgs,
    client: ClientOptions,
    table: &Arc<Table>,
) -> (bool, Vec<NodeState>) {
    let mut fleet = Fleet::new(FleetOptions {
        client,
        publisher: digest64(&["publisher", &args.publisher]),
        adopt: args.adopt,
        ..FleetOptions::default()
    });
    // Each once, however often it was given.
    let urls: BTreeSet<_> = args.admin.kong_admin_url.iter().cloned().collect();
    fleet.set_nodes(urls);
    fleet.publish(Arc::clone(table));
    let limit = Duration::from_secs(args.timeout);
    let confirmed = tokio::time::timeout(limit, fleet.confirmed(table.digest())).await;
    (confirmed.is_ok(), fleet.states())
}

fn client(args: &AdminArgs) -> anyhow::Result<ClientOptions> {
    let token = match (&args.kong_admin_token, &args.kong_admin_token_file) {
        (Some(token), _) => Some(token.clone()),
        (None, Some(file)) => Some(token::read(file)?),
        (None, None) => None,
    };
    let mut headers = Vec::new();
    if let Some(token) = token {
        headers.push((TOKEN, token::header("", &token)?));
    }
    let cert = args.kong_admin_tls_client_cert_file.as_deref();
    let identity = cert.zip(args.kong_admin_tls_client_key_file.as_deref());
    let tls = match &args.kong_admin_ca_cert_file {
        Some(ca) => Some(AdminTls::new(
            ca,
            identity,
            args.kong_admin_tls_server_name.clone(),
        )?),
        None => None,
    };
    if tls.is_none()
        && let Some(url) = args.kong_admin_url.iter().find(|url| url.tls)
    {
        anyhow::bail!("{url}: https needs a CA certificate (hint: --kong-admin-ca-cert-file FILE)");
    }
    Ok(ClientOptions {
        headers,
        tls,
        ..ClientOptions::default()
    })
}
