//! Access log lines in a format of the operator, with Envoy's command operators.

use std::io::Write;

use l4::config::AccessLogFormat;

use super::LineFormat;
use super::line::write_json_text;
use super::record::{Record, whole};

/// Format, ready for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Proxy's own line.
    Own(LineFormat),
    /// Line of the operator.
    Plain(Template),
    /// JSON object of the operator.
    Json(Vec<(String, Template)>),
}

impl From<&AccessLogFormat> for Format {
    fn from(format: &AccessLogFormat) -> Self {
        match format {
            AccessLogFormat::Default => Self::Own(LineFormat::Text),
            AccessLogFormat::Plain(text) => Self::Plain(Template::parse(text)),
            AccessLogFormat::Json(fields) => Self::Json(
                fields.iter().map(|(key, text)| (key.to_string(), Template::parse(text))).collect(),
            ),
        }
    }
}

impl Format {
    /// Appends a line with its line break.
    pub(super) fn write(&self, record: &Record<'_>, line: &mut Vec<u8>) {
        match self {
            Self::Own(format) => format.write(record, line),
            Self::Plain(template) => {
                template.write(record, line);
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
            }
            Self::Json(fields) => {
                line.push(b'{');
                for (index, (key, template)) in fields.iter().enumerate() {
                    if index > 0 {
                        line.push(b',');
                    }
                    write_json_text(key, line);
                    line.push(b':');
                    template.write_json(record, line);
                }
                line.extend_from_slice(b"}\n");
            }
        }
    }
}

/// Parsed format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Command(Command),
}

/// Command operators that make sense for TCP. The argument of an operator (a time format) is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    StartTime,
    Duration,
    BytesSent,
    BytesReceived,
    UpstreamHost,
    UpstreamCluster,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamLocalAddress,
    ConnectionId,
    RequestedServerName,
    RouteName,
    ResponseFlags,
    /// Prints `-`.
    Unknown,
}

impl Command {
    fn parse(text: &str) -> Self {
        match text.split('(').next().unwrap_or(text) {
            "START_TIME" => Self::StartTime,
            "DURATION" => Self::Duration,
            "BYTES_SENT" => Self::BytesSent,
            "BYTES_RECEIVED" => Self::BytesReceived,
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Self::UpstreamHost,
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Self::UpstreamCluster,
            "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Self::DownstreamRemoteAddress,
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Self::DownstreamRemoteAddressWithoutPort
            }
            "DOWNSTREAM_LOCAL_ADDRESS" => Self::DownstreamLocalAddress,
            "CONNECTION_ID" => Self::ConnectionId,
            "REQUESTED_SERVER_NAME" => Self::RequestedServerName,
            "ROUTE_NAME" => Self::RouteName,
            "RESPONSE_FLAGS" => Self::ResponseFlags,
            _ => Self::Unknown,
        }
    }

    fn number(self, record: &Record<'_>) -> Option<u64> {
        match self {
            Self::Duration => Some(whole(record.duration.as_millis())),
            Self::BytesSent => Some(record.bytes[1]),
            Self::BytesReceived => Some(record.bytes[0]),
            Self::ConnectionId => Some(record.id),
            Self::StartTime
            | Self::UpstreamHost
            | Self::UpstreamCluster
            | Self::DownstreamRemoteAddress
            | Self::DownstreamRemoteAddressWithoutPort
            | Self::DownstreamLocalAddress
            | Self::RequestedServerName
            | Self::RouteName
            | Self::ResponseFlags
            | Self::Unknown => None,
        }
    }

    fn write(self, record: &Record<'_>, line: &mut Vec<u8>) {
        const NOTHING: &str = "-";
        // writing to memory does not fail
        let _ = match self {
            Self::StartTime => write!(line, "{:.3}", record.started),
            Self::Duration | Self::BytesSent | Self::BytesReceived | Self::ConnectionId => {
                write!(line, "{}", self.number(record).unwrap_or_default())
            }
            Self::UpstreamHost => match record.endpoint {
                Some(endpoint) => write!(line, "{endpoint}"),
                None => write!(line, "{NOTHING}"),
            },
            Self::UpstreamCluster => {
                let cluster =
                    record.backend.map(|backend| backend.cluster_name()).filter(|name| !name.is_empty());
                write!(line, "{}", cluster.unwrap_or(NOTHING))
            }
            Self::DownstreamRemoteAddress => write!(line, "{}", record.client),
            Self::DownstreamRemoteAddressWithoutPort => write!(line, "{}", record.client.ip()),
            Self::DownstreamLocalAddress => {
                write!(line, "{}", record.original_destination.unwrap_or(record.listener.address))
            }
            Self::RequestedServerName => write!(line, "{}", record.server_name.unwrap_or(NOTHING)),
            Self::RouteName => write!(line, "{}", record.route.map_or(NOTHING, |route| &route.name)),
            Self::ResponseFlags => write!(line, "{}", record.ending.response_flags()),
            Self::Unknown => write!(line, "{NOTHING}"),
        };
    }
}

impl Template {
    /// Parses a format string. It never fails: text that is not a command is literal.
    pub(crate) fn parse(format: &str) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let Some(end) = command_end(after) else {
                // a lone percent sign
                text.push('%');
                rest = after;
                continue;
            };
            if end == 0 {
                text.push('%');
            } else {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Command(Command::parse(&after[..end])));
            }
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Self(pieces)
    }

    fn write(&self, record: &Record<'_>, line: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Command(command) => command.write(record, line),
            }
        }
    }

    /// Writes the value as JSON: a number stays a number; everything else is a string.
    fn write_json(&self, record: &Record<'_>, line: &mut Vec<u8>) {
        if let [Piece::Command(command)] = &self.0[..]
            && let Some(number) = command.number(record)
        {
            line.extend_from_slice(number.to_string().as_bytes());
            return;
        }
        let mut text = Vec::new();
        self.write(record, &mut text);
        write_json_text(&String::from_utf8_lossy(&text), line);
    }
}

/// Returns the end of a command: the next percent sign outside of its parentheses (a time format has some inside).
fn command_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'%' if depth == 0 => return Some(at),
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &str) -> Piece {
        Piece::Command(Command::parse(name))
    }

    #[test]
    fn a_format_is_text_and_commands() {
        let parsed = Template::parse("[%START_TIME(%Y/%m)%] 100%% %NO_SUCH_THING% 5%");
        let text = |text: &str| Piece::Text(text.into());
        assert_eq!(
            parsed.0,
            [
                text("["),
                command("START_TIME"),
                text("] 100% "),
                Piece::Command(Command::Unknown),
                text(" 5%")
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_template(text in "[%()A-Z\\n é]*") {
            let _ = Template::parse(&text);
        }
    }
}
