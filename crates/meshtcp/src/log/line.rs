//! One event as one line: foreign text in it can neither begin another line nor move the cursor, nor fill a disk.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use xds::{Foreign, escape_quoted};

use crate::said::now;

/// Writes a field as `name=value`; the message without its name.
pub(super) fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = Foreign::message(Shown(value));
    match field.name() {
        "message" => write!(writer, "{value}"),
        name => write!(writer, "{name}={value}"),
    }
}

/// Value in its `Debug` form, which is that of `Display` if the event asks for it.
struct Shown<'a>(&'a dyn fmt::Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One JSON object per line: time, level, module of the program, and all fields beside them.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members(Map::new());
        members.0.insert("time".into(), json!(now()));
        members.0.insert("level".into(), json!(event.metadata().level().as_str()));
        members.0.insert("event".into(), json!("diagnostics"));
        event.record(&mut members);
        members.0.insert("target".into(), json!(event.metadata().target()));
        writeln!(writer, "{}", escape_quoted(Value::Object(members.0).to_string()))
    }
}

/// Fields of an event.
struct Members(Map<String, Value>);

impl Members {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, json!(shortened(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, json!(shortened(Shown(value))));
    }
}

/// First characters of a text, unescaped: JSON has its own escapes.
fn shortened(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let longest = Foreign::<&str>::MESSAGE;
    match text.char_indices().nth(longest) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::field::MakeExt as _;
    use tracing_subscriber::fmt::format::debug_fn;

    use super::*;

    const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\nerror: forged\u{9b}";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say() {
        let long = EVIL.repeat(100_000);
        tracing::warn!(proxy = %format!("web{EVIL}"), agent = EVIL, names = ?[EVIL], long, number = 7, "refused {EVIL}");
    }

    #[test]
    fn what_others_chose_stays_in_its_line() {
        for json in [false, true] {
            let written = Written::default();
            let to = written.clone();
            let lines = tracing_subscriber::fmt().with_writer(move || to.clone()).without_time();
            match json {
                true => tracing::subscriber::with_default(lines.event_format(JsonLine).finish(), say),
                false => {
                    let fields = debug_fn(write_field).delimited(" ");
                    let lines = lines.with_ansi(false).fmt_fields(fields).finish();
                    tracing::subscriber::with_default(lines, say);
                }
            }
            let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(text.trim_end().chars().all(|letter| !letter.is_control()), "{text:?}");
            assert!(text.len() < 20_000, "{}", text.len());
            if json {
                let line: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&line["agent"], &line["number"]), (&json!(EVIL), &json!(7)));
            } else {
                assert!(text.contains("number=7") && text.contains("proxy=web\\u{1b}[2J"), "{text}");
            }
        }
    }
}
