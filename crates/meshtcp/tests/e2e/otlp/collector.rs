//! Collector that speaks OTLP over HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// Data that it received.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) resources: Vec<Vec<KeyValue>>,
    pub(super) spans: Vec<Span>,
    pub(super) records: Vec<LogRecord>,
    /// Names of metrics.
    pub(super) metrics: BTreeSet<String>,
}

/// Collector that accepts everything.
pub(super) struct Collector {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::<Mutex<Told>>::default();
        let takes = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, takes) = (stream.unwrap(), Arc::clone(&takes));
                std::thread::spawn(move || while take_one(&stream, &takes).is_some() {});
            }
        });
        Self { address, told }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }
}

/// Reads and answers one request; `None`: there are no more.
fn take_one(mut stream: &TcpStream, told: &Mutex<Told>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(rest) = line.strip_prefix("POST ") {
            path = rest.split(' ').next()?.to_owned();
        }
        if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut told = told.lock().unwrap();
    let attributes = |resource: Option<Resource>| resource.unwrap_or_default().attributes;
    match path.as_str() {
        "/v1/traces" => {
            for it in ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans {
                told.resources.push(attributes(it.resource));
                told.spans.extend(it.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        "/v1/logs" => {
            for it in ExportLogsServiceRequest::decode(&body[..]).unwrap().resource_logs {
                told.resources.push(attributes(it.resource));
                told.records.extend(it.scope_logs.into_iter().flat_map(|scope| scope.log_records));
            }
        }
        "/v1/metrics" => {
            for it in ExportMetricsServiceRequest::decode(&body[..]).unwrap().resource_metrics {
                told.resources.push(attributes(it.resource));
                let metrics = it.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                told.metrics.extend(metrics.map(|metric| metric.name));
            }
        }
        other => panic!("{other} is no path of a collector"),
    }
    drop(told);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}
