//! Event output of a server: lines for people, or with `--diagnostics json` one object per line for programs, with the
//! time, the level, the event and its subject.
//!
//! All output of a server goes through here, so that nothing stands between the objects.

use std::fmt::Display;
use std::io::IsTerminal as _;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use xds::escape_quoted;

use crate::terminal::{tame, write_error, write_output};

/// Output form of this process if it is a server.
static VOICE: OnceLock<Voice> = OnceLock::new();
/// Proxy that this process is, if it is one.
static SELF: OnceLock<String> = OnceLock::new();

/// Member that holds the advice.
const HELP: &str = "help";

/// Output form of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Lines for people; those of a stream that is no terminal begin with the time.
    Text { timed: [bool; 2] },
    /// JSON objects.
    Json,
}

/// Stream of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output, for successes.
    Output,
    /// Standard error, for failures.
    Error,
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    /// Information that points to no mistake.
    Note,
    Warning,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Info | Level::Note => "INFO",
            Level::Warning => "WARN",
            Level::Error => "ERROR",
        }
    }

    /// Severity as in a problem.
    pub(crate) fn severity(self) -> &'static str {
        match self {
            Level::Info | Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    fn stream(self) -> Stream {
        match self {
            Level::Info => Stream::Output,
            Level::Note | Level::Warning | Level::Error => Stream::Error,
        }
    }
}

/// Switches to the output form of a server. The journal adds times of its own.
pub(crate) fn begin(json: bool) {
    let timed = |terminal: bool| !terminal && std::env::var_os("JOURNAL_STREAM").is_none();
    let timed = [timed(std::io::stdout().is_terminal()), timed(std::io::stderr().is_terminal())];
    VOICE.get_or_init(|| if json { Voice::Json } else { Voice::Text { timed } });
}

/// Adds the proxy's name to every object from now on.
pub(crate) fn as_proxy(key: &impl Display) {
    SELF.get_or_init(|| key.to_string());
}

/// Returns `true` if the output is JSON objects.
pub(crate) fn is_json() -> bool {
    VOICE.get() == Some(&Voice::Json)
}

/// Current time in the format of RFC 3339, in UTC.
pub(crate) fn now() -> String {
    let mut time = String::new();
    // formatting into a string does not fail
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// Text as a server prints it to a stream: with its time, or as an object. `None`: unchanged, since this process is no
/// server.
pub(crate) fn line(stream: Stream, text: &str) -> Option<String> {
    match VOICE.get()? {
        Voice::Text { timed: [output, error] } => {
            let timed = if stream == Stream::Output { *output } else { *error };
            timed.then(|| format!("{} {text}", now()))
        }
        Voice::Json => Some(Event::of_text(text).object()),
    }
}

/// Event of a server.
#[derive(Debug)]
#[must_use = "`tell` tells it"]
pub(crate) struct Event {
    name: &'static str,
    level: Level,
    text: String,
    members: Map<String, Value>,
}

impl Event {
    /// Creates an event. `name`: lowercase letters and hyphens. `text`: line for people, which contains everything in
    /// the members.
    pub(crate) fn new(name: &'static str, level: Level, text: impl Display) -> Self {
        Self { name, level, text: text.to_string(), members: Map::new() }
    }

    /// Adds a member about the subject, for programs; `null`: left out.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.members.insert(key.to_owned(), value);
        }
        self
    }

    /// Adds advice.
    pub(crate) fn help(self, help: String) -> Self {
        self.with(HELP, help)
    }

    fn of_text(text: &str) -> Self {
        let (level, text, help) = read(text);
        let event = Self::new("message", level, text);
        help.into_iter().fold(event, Self::help)
    }

    fn object(self) -> String {
        let Self { name, level, text, members } = self;
        let head = [("time", now()), ("level", level.as_str().to_owned()), ("event", name.to_owned())];
        let mut object: Map<String, Value> =
            head.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
        object.extend(SELF.get().map(|proxy| ("proxy".to_owned(), json!(proxy))));
        object.extend(members);
        object.insert("message".into(), text.into());
        escape_quoted(format!("{}\n", Value::Object(object)))
    }

    /// Prints the event.
    pub(crate) fn tell(self) {
        let stream = self.level.stream();
        let written = if is_json() { self.object() } else { self.words() };
        match stream {
            Stream::Output => write_output(&written),
            Stream::Error => write_error(&written),
        }
    }

    fn words(self) -> String {
        let Self { name: _, level, text, members } = self;
        let word = if level == Level::Info { String::new() } else { format!("{}: ", level.severity()) };
        let help = members.get(HELP).and_then(Value::as_str);
        let help = help.map(|help| format!("\n  help: {help}")).unwrap_or_default();
        let words = format!("{word}{text}{help}\n");
        tame(&line(level.stream(), &words).unwrap_or(words)).into_owned()
    }
}

/// Parses a line written for people into the level by its first word, the message, and the advice.
pub(crate) fn read(line: &str) -> (Level, String, Option<String>) {
    let text = tame(line.trim());
    let levels = [("error: ", Level::Error), ("warning: ", Level::Warning), ("note: ", Level::Note)];
    let found = levels.into_iter().find_map(|(word, level)| Some((text.strip_prefix(word)?, level)));
    let (text, level) = found.unwrap_or((&text, Level::Info));
    match text.split_once("\n  help: ") {
        Some((text, help)) => (level, text.to_owned(), Some(help.to_owned())),
        None => (level, text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_becomes_an_object_with_its_level_and_help() {
        let object = |text: &str| serde_json::from_str::<Value>(&Event::of_text(text).object()).unwrap();
        let told = object("warning: it is \u{1b}[31mfull\n  help: make room\n");
        assert_eq!(told["level"], "WARN");
        assert_eq!(told["message"], "it is \\u{1b}[31mfull");
        assert_eq!(told["help"], "make room");
        assert_eq!(object("following mesh\n")["level"], "INFO");
        let time = told["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }
}
