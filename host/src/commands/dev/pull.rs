//! Gives the table to data planes that ask.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, bail};
use http::HeaderValue;

use crate::args::PullArgs;
use crate::commands::token;
use crate::nodes::Table;
use crate::pull::{PullServer, Pulls};
use crate::translator::Changes;

/// What is given out, and where.
#[derive(Debug)]
pub(super) struct Pull {
    pulls: Pulls,
    table: Arc<Table>,
    socket: TcpListener,
    pub(super) address: SocketAddr,
    authorization: Option<HeaderValue>,
}

// === impl Pull ===

impl Pull {
    /// Binds the address; `None` if there shall be no pull.
    pub(super) fn bind(args: &PullArgs) -> anyhow::Result<Option<Self>> {
        let Some(address) = args.pull_listen else {
            return Ok(None);
        };
        let authorization = match &args.pull_token_file {
            Some(file) => {
                let value = token::header("Bearer ", &token::read(file)?);
                Some(value.with_context(|| file.display().to_string())?)
            }
            None if address.ip().is_loopback() => None,
            None => bail!(
                "--pull-listen {address}: others than this machine must send a token (hint: \
                 --pull-token-file FILE)"
            ),
        };
        let bound = TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        });
        let (socket, address) = bound.with_context(|| format!("--pull-listen {address}"))?;
        Ok(Some(Self {
            pulls: Pulls::new(),
            table: Arc::default(),
            socket,
            address,
            authorization,
        }))
    }

    /// Answers from now on, until the process ends.
    pub(super) fn serve(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let socket = self.socket.try_clone()?;
        let server = PullServer::new(&self.pulls, self.authorization.clone());
        std::thread::Builder::new()
            .name("pull".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    match tokio::net::TcpListener::from_std(socket) {
                        Ok(socket) => server.serve(socket).await,
                        Err(error) => tracing::error!(%error, "pulls are not answered"),
                    }
                });
            })?;
        Ok(())
    }

    /// What the translator changed is the table of all nodes from now on.
    pub(super) fn publish(&mut self, changes: &Changes) {
        match self.table.with(changes) {
            Ok(Some(table)) => {
                self.table = Arc::new(table);
                self.pulls.publish(Arc::clone(&self.table));
            }
            Ok(None) => {}
            // The gateway here goes on, and nodes keep the table that they have.
            Err(error) => tracing::error!(%error, "this table is not given to nodes that ask"),
        }
    }
}
