//! Lines of the connection log, exported as log records and as spans.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use l4::ending::Ending;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Map, Value as Json};

use crate::span::{Id, failure, nanoseconds};
use crate::value::{Value, attribute};

/// Connection that finished or was refused.
pub(crate) struct Connection {
    members: Map<String, Json>,
    started: Timestamp,
    ended: Timestamp,
    /// Name of its ending.
    ending: String,
    failed: bool,
}

impl Connection {
    /// Parses a line in JSON; `None`: not a line of the connection log.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let members: Map<String, Json> = serde_json::from_slice(line).ok()?;
        let started: Timestamp = members.get("time")?.as_str()?.parse().ok()?;
        let took = Duration::from_millis(members.get("duration_ms")?.as_u64()?);
        let ending = members.get("ended")?.as_str()?.to_owned();
        let failed = Ending::ALL.iter().find(|it| it.as_str() == ending).is_some_and(|it| is_failure(*it));
        Some(Self { ended: started.checked_add(took).ok()?, members, started, ending, failed })
    }

    /// Converts it to a log record; `id`: of its span, if that is exported.
    pub(crate) fn record(&self, id: Option<Id>) -> LogRecord {
        let severity = if self.failed { SeverityNumber::Warn } else { SeverityNumber::Info };
        let text = |key: &str| self.members.get(key).and_then(Json::as_str).unwrap_or("-").to_owned();
        let body = format!("{} → {}: {}", text("client"), text("backend"), self.ending);
        LogRecord {
            time_unix_nano: nanoseconds(self.ended),
            observed_time_unix_nano: nanoseconds(self.ended),
            severity_number: severity.into(),
            severity_text: if self.failed { "WARN" } else { "INFO" }.to_owned(),
            body: Some(Value::Text(body).into()),
            attributes: self.attributes(),
            trace_id: id.map(Id::trace_bytes).unwrap_or_default(),
            span_id: id.map(Id::span_bytes).unwrap_or_default(),
            flags: id.map_or(0, |_| 1),
            event_name: "meshtcp.connection".to_owned(),
            ..LogRecord::default()
        }
    }

    /// Converts it to a span.
    pub(crate) fn span(&self, id: Id) -> Span {
        let why = self.members.get("why").and_then(Json::as_str);
        let failed = self.failed.then(|| match why {
            Some(why) => format!("{}: {why}", self.ending),
            None => self.ending.clone(),
        });
        Span {
            trace_id: id.trace_bytes(),
            span_id: id.span_bytes(),
            name: "connection".to_owned(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: nanoseconds(self.started),
            end_time_unix_nano: nanoseconds(self.ended),
            attributes: self.attributes(),
            status: failed.map(failure),
            ..Span::default()
        }
    }

    /// All keys of the line but its time, in its order; both ends also by the names of the semantic conventions.
    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![attribute("network.transport", "tcp")];
        for (key, ends) in [("client", "client"), ("endpoint", "server")] {
            let address = self.members.get(key).and_then(Json::as_str);
            if let Some(address) = address.and_then(|address| address.parse::<SocketAddr>().ok()) {
                attributes.push(attribute(format!("{ends}.address"), address.ip().to_string()));
                attributes.push(attribute(format!("{ends}.port"), u64::from(address.port())));
            }
        }
        for (key, value) in self.members.iter().filter(|(key, _)| *key != "time") {
            let value = match value {
                Json::Null => continue,
                Json::String(text) => Value::Text(text.clone()),
                Json::Number(number) => {
                    number.as_u64().map_or_else(|| number.to_string().into(), Value::Number)
                }
                other => Value::Text(other.to_string()),
            };
            attributes.push(attribute(format!("meshtcp.{key}"), value));
        }
        attributes
    }
}

/// Returns `true` if a connection with this ending did not serve its purpose.
fn is_failure(ending: Ending) -> bool {
    ending.is_refusal() || matches!(ending, Ending::BackendReset | Ending::TlsTruncated | Ending::TlsBroken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-29T12:00:00.250Z","id":7,"client":"[::1]:4000","policy":null,
        "backend":"MeshService redis-v2","endpoint":"10.0.0.2:6379","duration_ms":1500,"ended":"ENDED","why":"it said so"}"#;

    fn shown(attributes: &[KeyValue]) -> Vec<String> {
        let one =
            |it: &KeyValue| format!("{}={:?}", it.key, it.value.as_ref().unwrap().value.as_ref().unwrap());
        attributes.iter().map(one).collect()
    }

    #[test]
    fn a_line_is_a_record_and_a_span_of_one_id() {
        let id = Id { trace: 5, span: 6 };
        let connection = Connection::read(LINE.replace("ENDED", "client-closed").as_bytes()).unwrap();
        let (record, span) = (connection.record(Some(id)), connection.span(id));
        assert_eq!((&record.trace_id, &record.span_id), (&span.trace_id, &span.span_id));
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_500_000_000);
        assert_eq!((record.time_unix_nano, record.severity_text.as_str()), (span.end_time_unix_nano, "INFO"));
        assert!(span.status.is_none());
        let attributes = shown(&record.attributes);
        for wanted in [
            "client.address=StringValue(\"::1\")",
            "server.port=IntValue(6379)",
            "meshtcp.id=IntValue(7)",
            "meshtcp.backend=StringValue(\"MeshService redis-v2\")",
        ] {
            assert!(attributes.iter().any(|it| it == wanted), "{wanted}: {attributes:?}");
        }
        assert!(!attributes.iter().any(|it| it.starts_with("meshtcp.policy")), "null is said by nothing");
    }

    #[test]
    fn what_failed_says_so_and_what_is_no_line_is_nothing() {
        let connection = Connection::read(LINE.replace("ENDED", "connect-refused").as_bytes()).unwrap();
        assert_eq!(connection.record(None).severity_text, "WARN");
        assert_eq!(connection.span(Id::fresh()).status.unwrap().message, "connect-refused: it said so");
        for none in ["", "{", "{}", "[]", r#"{"time":"yesterday","duration_ms":1,"ended":"max-age"}"#] {
            assert!(Connection::read(none.as_bytes()).is_none(), "{none}");
        }
    }
}
