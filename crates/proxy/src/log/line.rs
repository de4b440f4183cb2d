//! Lines of the proxy's own connection log.

use std::io::Write;

use super::LineFormat;
use super::digits::{push_address, push_draw, push_number};
use super::record::{Record, Value};

impl LineFormat {
    /// Appends a line with its line break.
    pub(super) fn write(self, record: &Record<'_>, line: &mut Vec<u8>) {
        match self {
            Self::Text => write_text(record, line),
            Self::Json => write_json(record, line),
        }
    }
}

fn write_text(record: &Record<'_>, line: &mut Vec<u8>) {
    let start = line.len();
    record.visit(|key, value| {
        if line.len() > start {
            line.push(b' ');
        }
        line.extend_from_slice(key.as_bytes());
        line.push(b'=');
        // writing to memory does not fail
        let _ = match value {
            Value::Absent => line.write_all(b"-"),
            Value::Number(number) => {
                push_number(number, line);
                Ok(())
            }
            Value::Draw(draw) => {
                push_draw(draw, line);
                Ok(())
            }
            Value::Time(time) => write!(line, "{time:.3}"),
            Value::Address(address) => {
                push_address(address, line);
                Ok(())
            }
            Value::Text(text) => {
                write_quoted(text, line);
                Ok(())
            }
            Value::Shown(shown) => {
                let start = line.len();
                let shown = write!(line, "{shown}");
                quote_from(start, line);
                shown
            }
        };
    });
    line.push(b'\n');
}

/// Bytes that are unambiguous and need no quotes; a lookup table, as every byte of a line is tested.
static PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let as_byte = byte as u8;
        plain[byte] = as_byte.is_ascii_graphic() && as_byte != b'"' && as_byte != b'=';
        byte += 1;
    }
    plain
};

fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

fn write_quoted(text: &str, line: &mut Vec<u8>) {
    if text.bytes().all(is_plain) {
        line.extend_from_slice(text.as_bytes());
    } else {
        write_json_text(text, line);
    }
}

/// Quotes what was written since `start`, if it needs quotes.
fn quote_from(start: usize, line: &mut Vec<u8>) {
    if !line[start..].iter().copied().all(is_plain) {
        let text = String::from_utf8_lossy(&line[start..]).into_owned();
        line.truncate(start);
        write_json_text(&text, line);
    }
}

/// Appends text as a JSON string.
pub(super) fn write_json_text(text: &str, line: &mut Vec<u8>) {
    let _ = serde_json::to_writer(line, text);
}

fn write_json(record: &Record<'_>, line: &mut Vec<u8>) {
    let mut separator = b'{';
    record.visit(|key, value| {
        line.push(separator);
        separator = b',';
        write_json_text(key, line);
        line.push(b':');
        match value {
            Value::Absent => line.extend_from_slice(b"null"),
            Value::Number(number) => push_number(number, line),
            Value::Draw(draw) => {
                line.push(b'"');
                push_draw(draw, line);
                line.push(b'"');
            }
            Value::Time(time) => {
                let _ = write!(line, "\"{time:.3}\"");
            }
            Value::Address(address) => {
                line.push(b'"');
                push_address(address, line);
                line.push(b'"');
            }
            Value::Text(text) => write_json_text(text, line),
            Value::Shown(shown) => write_json_text(&shown.to_string(), line),
        }
    });
    line.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_two_fields_is_quoted() {
        let mut line = Vec::new();
        write_quoted("redis", &mut line);
        write_quoted("a b=\"c\"\n", &mut line);
        assert_eq!(String::from_utf8(line).unwrap(), r#"redis"a b=\"c\"\n""#);
    }
}
