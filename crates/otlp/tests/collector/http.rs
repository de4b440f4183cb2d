//! Collector over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// Answer of a collector.
pub(super) enum Answer {
    Taken,
    /// Accepted, except for this number of records.
    TakenBut(i64),
    /// 503, with an immediate retry allowed.
    Later,
    /// 400.
    Never,
}

/// Requests that a collector received.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    pub(super) heads: Vec<String>,
    pub(super) resources: Vec<Vec<KeyValue>>,
    pub(super) spans: Vec<Span>,
    pub(super) metrics: Vec<Metric>,
    pub(super) records: Vec<LogRecord>,
}

impl Got {
    fn resource(&mut self, resource: Option<Resource>) {
        self.resources.push(resource.unwrap_or_default().attributes);
    }

    pub(super) fn traces(&mut self, request: ExportTraceServiceRequest) {
        for told in request.resource_spans {
            self.resource(told.resource);
            self.spans.extend(told.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }

    pub(super) fn metrics(&mut self, request: ExportMetricsServiceRequest) {
        for told in request.resource_metrics {
            self.resource(told.resource);
            self.metrics.extend(told.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
        }
    }

    pub(super) fn logs(&mut self, request: ExportLogsServiceRequest) {
        for told in request.resource_logs {
            self.resource(told.resource);
            self.records.extend(told.scope_logs.into_iter().flat_map(|scope| scope.log_records));
        }
    }
}

/// Collector over HTTP.
pub(super) struct Http {
    address: SocketAddr,
    got: Arc<Mutex<Got>>,
}

impl Http {
    /// Creates a collector that answers its requests by their number.
    pub(super) fn answering(answer: fn(usize) -> Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Got>>::default();
        let seen = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), Arc::clone(&seen));
                std::thread::spawn(move || while serve_one(&stream, &seen, answer) {});
            }
        });
        Self { address, got }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn got(&self) -> Got {
        self.got.lock().unwrap().clone()
    }

    /// Waits until it has received this number of requests.
    pub(super) fn awaits(&self, requests: usize) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.got().heads.len() < requests {
            assert!(Instant::now() < until, "{:?}", self.got().heads);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Serves one request. Returns `false` if there was none.
fn serve_one(stream: &TcpStream, seen: &Mutex<Got>, answer: fn(usize) -> Answer) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return false;
        }
    }
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    assert_eq!(field("content-type").as_deref(), Some("application/x-protobuf"));
    let mut body = vec![0; field("content-length").unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    if field("content-encoding").as_deref() == Some("gzip") {
        let packed = std::mem::take(&mut body);
        GzDecoder::new(&packed[..]).read_to_end(&mut body).unwrap();
    }
    let mut got = seen.lock().unwrap();
    let number = got.heads.len();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    got.heads.push(head);
    let (status, answered) = match answer(number) {
        Answer::Taken => ("200 OK", Vec::new()),
        Answer::TakenBut(rejected_log_records) => {
            let error_message = "too old".to_owned();
            let partial = ExportLogsPartialSuccess { rejected_log_records, error_message };
            ("200 OK", ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec())
        }
        Answer::Later => ("503 Service Unavailable\r\nretry-after: 0", Vec::new()),
        Answer::Never => ("400 Bad Request", Vec::new()),
    };
    if status.starts_with("200") {
        match path.as_str() {
            "/v1/traces" => got.traces(ExportTraceServiceRequest::decode(&body[..]).unwrap()),
            "/v1/metrics" => got.metrics(ExportMetricsServiceRequest::decode(&body[..]).unwrap()),
            "/v1/logs" => got.logs(ExportLogsServiceRequest::decode(&body[..]).unwrap()),
            other => panic!("{other}"),
        }
    }
    drop(got);
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answered.len());
    let mut writer = stream;
    writer.write_all(&[head.as_bytes(), &answered].concat()).is_ok()
}
