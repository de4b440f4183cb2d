//! Record of one connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value};

/// Fields of a record, by the keys of the connection log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    members: Map<String, Value>,
    texts: BTreeMap<String, String>,
}

/// Keys whose values are numbers, in a line of text too.
const NUMBERS: [&str; 7] =
    ["id", "generation", "attempts", "bytes_from_client", "bytes_to_client", "connect_us", "duration_ms"];

impl Record {
    /// Parses a line of either format; `None`: it is not a record.
    pub fn read(line: &str) -> Option<Self> {
        let members = match line.starts_with('{') {
            true => serde_json::from_str(line).ok()?,
            false => pairs(line)?,
        };
        let is_one = ["id", "listener", "ended"].iter().all(|key| members.contains_key(*key));
        is_one.then(|| Self::of(members))
    }

    /// Parses an open connection, as an admin server lists it.
    pub fn of_open(connection: &Value) -> Option<Self> {
        let mut members = Map::new();
        for (key, value) in connection.as_object()? {
            let key = match key.as_str() {
                "serverName" => "server_name",
                "bytesFromClient" => "bytes_from_client",
                "bytesToClient" => "bytes_to_client",
                other => other,
            };
            members.insert(key.to_owned(), value.clone());
        }
        if members.get("policy").is_none_or(Value::is_null) {
            members.insert("policy".to_owned(), "default".into());
        }
        Some(Self::of(members))
    }

    fn of(members: Map<String, Value>) -> Self {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let texts = members.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        Self { members, texts }
    }

    /// Text of a value; empty: unknown.
    pub fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// Text of a value; `-`: unknown.
    pub fn shown(&self, key: &str) -> &str {
        match self.text(key) {
            "" => "-",
            text => text,
        }
    }

    /// Draw; `None`: unknown.
    pub fn draw(&self) -> Option<u64> {
        u64::from_str_radix(self.text("draw"), 16).ok()
    }

    /// Client address; `None`: unknown.
    pub fn client(&self) -> Option<SocketAddr> {
        self.text("client").parse().ok()
    }

    /// Whole record as a tree.
    pub fn tree(&self) -> Value {
        self.members.clone().into()
    }

    /// Returns `true` if `wanted` names this connection's listener: by its name, its port, or its destination.
    pub fn is_of_outbound(&self, wanted: &str) -> bool {
        let (listener, destination) = (self.text("listener"), self.text("destination"));
        listener == wanted
            || destination == wanted
            || listener.rsplit_once(':').is_some_and(|(_, port)| port == wanted)
            || destination.split([' ', ':', '=']).any(|word| word == wanted)
    }

    /// Returns `true` if `wanted` names this connection's backend.
    pub fn is_of_backend(&self, wanted: &str) -> bool {
        let backend = self.text("backend");
        backend == wanted
            || crate::compile::without_kind(backend) == wanted
            || backend.split(' ').nth(1) == Some(wanted)
            || self.text("cluster") == wanted
            || self.text("endpoint") == wanted
    }
}

/// Parses `key=value key="quoted value"`, where a quoted value is a JSON text and `-` is unknown.
fn pairs(line: &str) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        let value;
        if behind.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            value = Value::String(texts.next()?.ok()?);
            rest = behind.get(texts.byte_offset()..)?;
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            let text = &behind[..end];
            value = match text {
                "-" => Value::Null,
                text if NUMBERS.contains(&key) => {
                    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
                }
                text => text.into(),
            };
            rest = &behind[end..];
        }
        members.insert(key.to_owned(), value);
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_say_the_same() {
        let text = r#"time=2026-11-25T10:00:00.000Z id=7 proxy=default/web-1 listener=outbound:127.0.0.1:7379 policy="MeshTCPRoute default/canary" draw=8000000000000000 why=- ended=client-closed"#;
        let json = r#"{"time":"2026-11-25T10:00:00.000Z","id":7,"proxy":"default/web-1","listener":"outbound:127.0.0.1:7379","policy":"MeshTCPRoute default/canary","draw":"8000000000000000","why":null,"ended":"client-closed"}"#;
        let (text, json) = (Record::read(text).unwrap(), Record::read(json).unwrap());
        assert_eq!(text, json);
        assert_eq!((text.draw(), text.text("id"), text.shown("why")), (Some(1 << 63), "7", "-"));
        assert!(text.is_of_outbound("7379"));
    }

    #[test]
    fn other_lines_are_none() {
        for line in ["", "hello", "a=b", "{}", "{\"id\":1", "id=1 listener=\"x ended=y"] {
            assert_eq!(Record::read(line), None, "{line}");
        }
    }
}
