//! Metrics. What ngx_wasm_module refuses is a trap in strict mode.

use super::{Guest, Reply};
use crate::abi::Status;
use crate::metrics::{MAX_NAME, MetricError, MetricKind};

pub(super) fn define(
    guest: &mut Guest<'_>,
    kind: u32,
    name: u32,
    len: u32,
    out: u32,
) -> Result<(), Reply> {
    guest.check(out, 4)?;
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => {
            return Err(guest.trap_or(Status::BadArgument, "could not define metric: unknown type"));
        }
    };
    let (name, state) = guest.bytes(name, len)?;
    let name = String::from_utf8_lossy(name).into_owned();
    // Kong stores it as pw:<filter>:<name>.
    if 4 + state.options.root_id.len() + name.len() > MAX_NAME {
        return Err(guest.trap_or(
            Status::BadArgument,
            format!("could not define metric: name \"{name}\" too long"),
        ));
    }
    let id = guest.state().options.metrics.define(kind, &name);
    guest.write_u32(out, id)
}

pub(super) fn get(guest: &mut Guest<'_>, id: u32, out: u32) -> Result<(), Reply> {
    guest.check(out, 8)?;
    let value = guest.state().options.metrics.value(id);
    let value = value.map_err(|e| refuse(guest, id, e))?;
    guest.write_u64(out, value)
}

pub(super) fn record(guest: &mut Guest<'_>, id: u32, value: u64) -> Result<(), Reply> {
    let recorded = guest.state().options.metrics.record(id, value);
    recorded.map_err(|e| refuse(guest, id, e))
}

pub(super) fn increment(guest: &mut Guest<'_>, id: u32, by: i64) -> Result<(), Reply> {
    let strict = guest.strict();
    let incremented = guest.state().options.metrics.increment(id, by, strict);
    incremented.map_err(|e| refuse(guest, id, e))
}

fn refuse(guest: &Guest<'_>, id: u32, error: MetricError) -> Reply {
    let status = match error {
        MetricError::NotFound => Status::NotFound,
        MetricError::WrongKind(_) => Status::BadArgument,
    };
    guest.trap_or(status, format!("metric id \"{id}\": {error}"))
}
