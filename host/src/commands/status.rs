//! `silverback status`: what the admin port of a running `silverback dev` says.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;
use crate::args::{StatusArgs, TableOutput};
use crate::render;
use crate::status::{SCHEMA_VERSION, Status};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A table of many endpoints is some megabytes.
const LONGEST: usize = 256 << 20;

pub(super) fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let authority = authority(&args.admin_url).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let json = runtime.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, get(authority)).await;
        answer.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(anyhow!(
                "nothing was answered at {authority} in {seconds} s"
            ))
        })
    })?;
    let wrong = "is something else listening there?";
    let status: Status = serde_json::from_slice(&json)
        .map_err(|why| anyhow!("{authority} answers something else: {why} (hint: {wrong})"))?;
    if status.schema_version != SCHEMA_VERSION {
        let (theirs, ours) = (status.schema_version, SCHEMA_VERSION);
        return Err(anyhow!(
            "{authority} answers with schema version {theirs}, this program reads {ours} (hint: use the same \
             release of silverback for both)"
        )
        .into());
    }
    let mut out = anstream::stdout().lock();
    match args.output {
        TableOutput::Table => render::status(&mut out, &status)?,
        TableOutput::Json => writeln!(out, "{}", String::from_utf8_lossy(&json))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Host and port of an admin URL.
fn authority(url: &str) -> anyhow::Result<&str> {
    let hint = "hint: http://127.0.0.1:9080";
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| anyhow!("--admin-url {url}: not a URL with http:// ({hint})"))?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let port = port.and_then(|port| port.parse::<u16>().ok());
    if port.is_none() || authority.contains(['/', '?', '#', '@']) {
        return Err(anyhow!("--admin-url {url}: not host and port ({hint})"));
    }
    Ok(authority)
}

async fn get(authority: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect(authority).await.map_err(|why| {
        anyhow!(
            "no answer from {authority}: {why} (hint: is `silverback dev` running? It says its admin port at \
             the start; --admin-url URL asks another)"
        )
    })?;
    let asked = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get("/status").header(HOST, authority);
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?);
        anyhow::Ok(response.await?)
    };
    let response = asked
        .await
        .with_context(|| format!("{authority} does not answer in HTTP"))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|why| anyhow!("the answer of {authority} broke off: {why}"))?;
    if !status.is_success() {
        return Err(anyhow!(
            "{authority} answers with {status} (hint: is it the admin port of silverback dev?)"
        ));
    }
    Ok(body.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_url_has_a_host_and_a_port() {
        for (url, expected) in [
            ("http://127.0.0.1:9080", "127.0.0.1:9080"),
            ("http://[::1]:1/", "[::1]:1"),
            ("http://localhost:9080", "localhost:9080"),
        ] {
            assert_eq!(authority(url).expect("good"), expected);
        }
        for url in [
            "",
            "127.0.0.1:9080",
            "https://a:1",
            "http://a",
            "http://a:1/status",
            "http://u@a:1",
            "http://a:70000",
        ] {
            assert!(authority(url).is_err(), "{url}");
        }
    }
}
