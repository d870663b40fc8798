//! The whole of a routing table.

use std::io::{self, Write};

use serde_json::Value;

use super::routes::{LOOKED_UP, cell, columns, heading, port, routes};
use super::value::{brief, empty, visible, words};
use super::{Grid, style};
use crate::dump::{Dump, Rest};

/// Endpoints of a Service that are named; the others are counted.
const ENDPOINTS: usize = 20;

/// Writes everything that is in the table. Lists that this program does not know by name come as
/// they are, a column for each field.
pub fn tables(out: &mut dyn Write, dump: &Dump) -> io::Result<()> {
    if !dump.listeners.is_empty() {
        title(out, "Listeners")?;
        listeners(out, dump)?;
        writeln!(out)?;
    }
    title(out, "Routes")?;
    routes(out, dump, usize::MAX)?;
    if !dump.services.is_empty() {
        writeln!(out)?;
        title(out, "Services")?;
        services(out, dump)?;
    }
    for (name, value) in &dump.rest {
        // How the table is encoded is for machines.
        if matches!(&**name, "schemaVersion" | "format" | "segments") || empty(value) {
            continue;
        }
        writeln!(out)?;
        let name = words(name);
        let mut chars = name.chars();
        let first: String = chars
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .collect();
        title(out, &format!("{first}{}", chars.as_str()))?;
        unknown(out, value)?;
    }
    let dim = style::DIM;
    writeln!(
        out,
        "\n{dim}{} bytes, digest {}{dim:#}",
        dump.bytes,
        visible(&dump.digest)
    )
}

fn title(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let head = style::HEAD;
    writeln!(out, "{head}{text}{head:#}")
}

fn listeners(out: &mut dyn Write, dump: &Dump) -> io::Result<()> {
    let more = columns(dump.listeners.iter().map(|listener| &listener.rest));
    let mut grid = Grid::new(&["PORT", "PROTOCOL", "HOSTNAME", "GATEWAYS"]);
    for name in &more {
        grid = grid.column(heading(name));
    }
    for listener in &dump.listeners {
        let mut cells = vec![
            listener.port.to_string(),
            visible(&listener.protocol),
            visible(listener.hostname.as_deref().unwrap_or("*")),
            visible(&listener.gateways.join(" ")),
        ];
        cells.extend(more.iter().map(|name| cell(listener.rest.get(*name))));
        grid.row(cells);
    }
    grid.write(out)
}

fn services(out: &mut dyn Write, dump: &Dump) -> io::Result<()> {
    let more = columns(dump.services.iter().map(|service| &service.rest));
    let mut grid = Grid::new(&["SERVICE"]);
    for name in &more {
        grid = grid.column(heading(name));
    }
    // Last, because it runs free.
    grid = grid.column("ENDPOINTS");
    for service in &dump.services {
        let name = format!(
            "{}/{}:{}",
            service.namespace,
            service.name,
            port(&service.port)
        );
        let mut cells = vec![visible(&name)];
        cells.extend(more.iter().map(|name| cell(service.rest.get(*name))));
        let named = service.endpoints.len().min(ENDPOINTS);
        let mut endpoints = service.endpoints[..named].join(" ");
        if named < service.endpoints.len() {
            endpoints += &format!(" +{} (-o json has all)", service.endpoints.len() - named);
        } else if named == 0 {
            let name = service.external_name();
            endpoints = name.map_or("none", |_| LOOKED_UP).to_owned();
        }
        cells.push(endpoints);
        grid.row(cells);
    }
    grid.write(out)
}

/// A list of objects as a table, anything else as it is.
fn unknown(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    let Some(items) = value.as_array() else {
        return writeln!(out, "{}", brief(value));
    };
    let objects: Option<Vec<&Rest>> = items.iter().map(Value::as_object).collect();
    let Some(objects) = objects else {
        for item in items {
            writeln!(out, "{}", brief(item))?;
        }
        return Ok(());
    };
    let names = columns(objects.iter().copied());
    let mut grid = Grid::new(&[]);
    for name in &names {
        grid = grid.column(heading(name));
    }
    for object in objects {
        grid.row(names.iter().map(|name| cell(object.get(*name))));
    }
    grid.write(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_of_the_dump_is_shown() {
        let dump = json!({
            "schemaVersion": 1, "format": 1, "digest": "ab", "bytes": 12,
            "segments": [{"index": 0, "bytes": 12, "digest": "cd"}],
            "listeners": [
                {"port": 80, "hostname": null, "protocol": "HTTP", "gateways": ["d/gw/http"]},
                {"port": 443, "hostname": "*.a.com", "protocol": "HTTPS", "gateways": ["d/gw/https"],
                 "certificate": "5f"},
            ],
            "hosts": [],
            "services": [
                {"namespace": "d", "name": "web", "port": 80, "endpoints": ["10.0.0.1:80"]},
                {"namespace": "d", "name": "grpc", "port": 81, "endpoints": [], "protocol": "h2c"},
            ],
            "pluginSets": [{"id": 7, "plugins": [
                {"kind": "KongPlugin", "namespace": "d", "name": "limit", "plugin": "rate-limiting"}]}],
            "certificates": [],
            "mode": "early",
        });
        let dump = Dump::parse(&dump.to_string()).expect("a dump");
        let mut out = anstream::StripStream::new(Vec::new());
        tables(&mut out, &dump).expect("written");
        insta::assert_snapshot!(String::from_utf8(out.into_inner()).expect("text"));
    }

    #[test]
    fn many_endpoints_are_counted() {
        let endpoints: Vec<_> = (0..5000).map(|index| format!("10.0.0.1:{index}")).collect();
        let dump = json!({"services": [{"namespace": "d", "name": "a", "port": 1, "endpoints": endpoints}]});
        let dump = Dump::parse(&dump.to_string()).expect("a dump");
        let mut out = Vec::new();
        tables(&mut out, &dump).expect("written");
        assert!(out.len() < 1000);
    }
}
