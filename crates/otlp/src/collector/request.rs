//! Three requests of OTLP: traces, metrics and logs.

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::Refused;
use crate::value::attribute;

/// Request to a collector.
pub(crate) trait Request: Message + Clone + 'static {
    /// Type of the answer.
    type Answer: Message + Default + 'static;
    /// Method of gRPC.
    const METHOD: &'static str;
    /// Rejected part of the request.
    fn refused(answer: Self::Answer) -> Refused;
}

/// Identity of the sender, which is part of each request.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Sender {
    pub(crate) fn new(attributes: Vec<(String, String)>) -> Self {
        let attributes = attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope { name: "meshtcp".to_owned(), version, ..Default::default() },
        }
    }

    pub(crate) fn traces(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let Self { resource, scope } = self.clone();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }
    }

    pub(crate) fn metrics(&self, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
        let Self { resource, scope } = self.clone();
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
        let resource =
            ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }

    pub(crate) fn logs(&self, log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
        let Self { resource, scope } = self.clone();
        let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records, ..ScopeLogs::default() }];
        let resource = ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() };
        ExportLogsServiceRequest { resource_logs: vec![resource] }
    }
}

fn refused(number: i64, why: String) -> Refused {
    Refused { number: u64::try_from(number).unwrap_or(0), why }
}

impl Request for ExportTraceServiceRequest {
    type Answer = ExportTraceServiceResponse;
    const METHOD: &'static str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

    fn refused(ExportTraceServiceResponse { partial_success }: Self::Answer) -> Refused {
        let partial = partial_success.unwrap_or_default();
        refused(partial.rejected_spans, partial.error_message)
    }
}

impl Request for ExportMetricsServiceRequest {
    type Answer = ExportMetricsServiceResponse;
    const METHOD: &'static str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

    fn refused(ExportMetricsServiceResponse { partial_success }: Self::Answer) -> Refused {
        let partial = partial_success.unwrap_or_default();
        refused(partial.rejected_data_points, partial.error_message)
    }
}

impl Request for ExportLogsServiceRequest {
    type Answer = ExportLogsServiceResponse;
    const METHOD: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

    fn refused(ExportLogsServiceResponse { partial_success }: Self::Answer) -> Refused {
        let partial = partial_success.unwrap_or_default();
        refused(partial.rejected_log_records, partial.error_message)
    }
}
