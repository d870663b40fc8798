//! Nodes and how far they are.

use std::io::{self, Write};

use silverback_core::node::hex::to_hex;

use super::{Grid, style, visible};
use crate::nodes::{NodeState, Phase};

/// Digits of a digest that are shown.
const DIGITS: usize = 12;

/// Writes a line for each node, and below them what is wrong.
pub fn nodes(out: &mut dyn Write, nodes: &[NodeState]) -> io::Result<()> {
    let mut grid = Grid::new(&["NODE", "STATE", "EPOCH", "TABLE", "SENT", "AFTER"]);
    for node in nodes {
        let phase = match node.phase {
            Phase::Waiting => "waiting",
            Phase::Pushing => "pushing",
            Phase::Confirmed => "confirmed",
            Phase::Failed => "failed",
        };
        let digest: String = to_hex(&node.root.0).chars().take(DIGITS).collect();
        let after = |ms: f64| format!("{ms:.0} ms");
        grid.row([
            visible(&node.url),
            phase.to_owned(),
            node.epoch.to_string(),
            if node.epoch == 0 {
                "-".to_owned()
            } else {
                digest
            },
            format!("{} bytes", node.sent_bytes),
            node.lag_ms.map_or_else(|| "-".to_owned(), after),
        ]);
    }
    grid.write(out)?;
    let (error, hint) = (style::ERROR, style::HINT);
    for node in nodes.iter().filter(|node| !node.error.is_empty()) {
        let (url, why) = (visible(&node.url), visible(&node.error));
        writeln!(out, "{error}error{error:#}: {url}: {why}")?;
        if !node.hint.is_empty() {
            writeln!(out, "{hint} hint{hint:#}: {}", visible(&node.hint))?;
        }
    }
    Ok(())
}
