//! Spans.

use jiff::Timestamp;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as messages, Status};

use crate::value::{Value, attribute};

/// Span: a timed operation, with its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Name, one of a few.
    pub name: &'static str,
    /// Start time.
    pub start: Timestamp,
    /// End time.
    pub end: Timestamp,
    /// Attributes.
    pub attributes: Vec<(&'static str, Value)>,
    /// Reason of the failure; `None`: it succeeded.
    pub failed: Option<String>,
    /// Parts, as child spans.
    pub parts: Vec<Span>,
}

/// Identity of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) trace: u128,
    pub(crate) span: u64,
}

impl Id {
    /// Creates the identity of the first span of a trace.
    pub(crate) fn fresh() -> Self {
        Self { trace: fastrand::u128(1..), span: fastrand::u64(1..) }
    }

    fn part(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }

    pub(crate) fn trace_bytes(self) -> Vec<u8> {
        self.trace.to_be_bytes().to_vec()
    }

    pub(crate) fn span_bytes(self) -> Vec<u8> {
        self.span.to_be_bytes().to_vec()
    }
}

/// Nanoseconds since 1970; 0 for earlier times.
pub(crate) fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0)
}

impl Span {
    /// Messages of the span and its parts, the whole first.
    pub(crate) fn messages(self, id: Id) -> Vec<messages::Span> {
        let mut all = Vec::new();
        self.append(id, None, &mut all);
        all
    }

    fn append(self, id: Id, parent: Option<Id>, to: &mut Vec<messages::Span>) {
        let Self { name, start, end, attributes, failed, parts } = self;
        let attributes = attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
        to.push(messages::Span {
            trace_id: id.trace_bytes(),
            span_id: id.span_bytes(),
            parent_span_id: parent.map(Id::span_bytes).unwrap_or_default(),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanoseconds(start),
            end_time_unix_nano: nanoseconds(end.max(start)),
            attributes,
            status: failed.map(failure),
            ..messages::Span::default()
        });
        for part in parts {
            part.append(id.part(), Some(id), to);
        }
    }
}

/// Status of a failed span.
pub(crate) fn failure(message: String) -> Status {
    Status { message, code: StatusCode::Error.into() }
}
