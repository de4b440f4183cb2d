//! Target of a signal.

use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::{PathAndQuery, Scheme};

use super::pairs;
use super::variables::Variables;
use crate::signal::Signal;

/// Protocol to a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    Http,
}

/// Target of a signal: a collector, and the settings of requests to it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    /// URL with scheme and host; over HTTP, its path is that of the signal.
    pub(crate) url: Uri,
    /// Headers of each request.
    pub(crate) headers: HeaderMap,
    /// Request timeout.
    pub(crate) timeout: Duration,
    /// `true`: requests are compressed.
    pub(crate) gzip: bool,
    /// File with the authorities of the collector's certificate; `None`: those that the system trusts.
    pub(crate) authorities: Option<PathBuf>,
    /// Files of the client certificate and its key; `None`: no client certificate.
    pub(crate) proof: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// Reads the target of a signal; `None`: the endpoint is invalid, with a warning.
    pub(super) fn read(variables: &mut Variables<'_>, signal: Signal) -> Option<Self> {
        let protocol = protocol(variables, signal);
        let url = endpoint(variables, signal, protocol)?;
        let limit = format!("OTEL_EXPORTER_OTLP_{}_TIMEOUT", signal.in_variables());
        let general = variables.time("OTEL_EXPORTER_OTLP_TIMEOUT", Duration::from_secs(10));
        let timeout = variables.time(&limit, general);
        let file = |name: &str| variables.of_exporter(signal, name).map(|(said, _)| PathBuf::from(said));
        let (authorities, certificate, key) =
            (file("CERTIFICATE"), file("CLIENT_CERTIFICATE"), file("CLIENT_KEY"));
        let headers = headers(variables, signal);
        let gzip = gzip(variables, signal);
        let is_half = certificate.is_some() != key.is_some();
        if is_half {
            let named = certificate.as_ref().or(key.as_ref()).map(|file| file.display().to_string());
            let wrong = "is used together with the other of OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
                         OTEL_EXPORTER_OTLP_CLIENT_KEY only: the collector is shown no certificate";
            variables.warn("OTEL_EXPORTER_OTLP_CLIENT_…", &named.unwrap_or_default(), wrong);
        }
        Some(Self { protocol, url, headers, timeout, gzip, authorities, proof: certificate.zip(key) })
    }
}

fn protocol(variables: &mut Variables<'_>, signal: Signal) -> Protocol {
    let Some((said, name)) = variables.of_exporter(signal, "PROTOCOL") else { return Protocol::Http };
    match said.as_str() {
        "grpc" => Protocol::Grpc,
        "http/protobuf" => Protocol::Http,
        _ => {
            variables.warn(&name, &said, "is neither `grpc` nor `http/protobuf`: the latter is used");
            Protocol::Http
        }
    }
}

/// URL of the endpoint; for HTTP with the path of the signal, unless the variable is for this signal only.
fn endpoint(variables: &mut Variables<'_>, signal: Signal, protocol: Protocol) -> Option<Uri> {
    let (said, name) = variables.of_exporter(signal, "ENDPOINT").unwrap_or_else(|| {
        let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
        (format!("http://localhost:{port}"), "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned())
    });
    let is_general = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
    let mut written = said.clone();
    if protocol == Protocol::Grpc && !said.contains("://") {
        let scheme = if variables.is_true("OTEL_EXPORTER_OTLP_INSECURE") { "http" } else { "https" };
        written = format!("{scheme}://{said}");
    }
    if protocol == Protocol::Http && is_general {
        written = format!("{}/v1/{signal}", written.trim_end_matches('/'));
    }
    let parsed = written.parse::<Uri>().ok().filter(|url| {
        let is_spoken = url.scheme() == Some(&Scheme::HTTP) || url.scheme() == Some(&Scheme::HTTPS);
        is_spoken && url.host().is_some_and(|host| !host.is_empty())
    });
    if parsed.is_none() {
        let wrong = format!("is no URL with `http://` or `https://` and a host: no {signal} are told");
        variables.warn(&name, &said, wrong);
    }
    parsed
}

fn headers(variables: &mut Variables<'_>, signal: Signal) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some((said, name)) = variables.of_exporter(signal, "HEADERS") else { return headers };
    let (found, mut wrong) = pairs(&said);
    for (key, value) in found {
        match (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            (Ok(key), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(key, value);
            }
            (Err(_), _) | (_, Err(_)) => wrong.push(key),
        }
    }
    for pair in wrong {
        // the value may be a secret
        let key = pair.split('=').next().unwrap_or_default();
        variables.warn(&name, key, "is no header, as `name=value`: it is left out");
    }
    headers
}

fn gzip(variables: &mut Variables<'_>, signal: Signal) -> bool {
    let Some((said, name)) = variables.of_exporter(signal, "COMPRESSION") else { return false };
    if said != "gzip" && said != "none" {
        variables.warn(&name, &said, "is neither `gzip` nor `none`: nothing is packed");
    }
    said == "gzip"
}

/// Path of a request.
pub(crate) fn path(url: &Uri) -> &str {
    url.path_and_query().map_or("/", PathAndQuery::as_str)
}
