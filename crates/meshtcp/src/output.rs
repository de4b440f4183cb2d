//! Output of commands: for people, as log lines of a server, or as one value for programs.

use comfy_table::{ContentArrangement, Table, presets};
use xds::Foreign;

use crate::answer;
pub(crate) use crate::format::{Format, structured, yaml};
use crate::paint::painted;
use crate::said::{self, Stream};
pub(crate) use crate::terminal::{is_unread, tame, write_error as complain_drawn};
use crate::terminal::{write_error, write_output};

/// Prints to standard output; a server's lines with the time or as an object.
pub(crate) fn print(text: &str) {
    match said::line(Stream::Output, text) {
        Some(line) => write_output(&tame(&line)),
        None => print_drawn(&tame(text)),
    }
}

/// Prints text with colours to standard output; its parts were escaped one by one.
pub(crate) fn print_drawn(text: &str) {
    answer::printed();
    write_output(text);
}

/// Prints a list to standard output, with its headings and states in colours.
pub(crate) fn print_list(text: &str) {
    print_drawn(&painted(&tame(text)));
}

/// Prints a value for programs, or else the list for people.
pub(crate) fn print_as<T: serde::Serialize>(format: Format, value: &T, list: impl FnOnce() -> String) {
    match structured(format, value) {
        Some(text) => print(&text),
        None => print_list(&list()),
    }
}

/// Prints to standard error, or keeps the text for the value of `-o json`; a server's lines with the time or as an
/// object.
pub(crate) fn complain(text: &str) {
    match said::line(Stream::Error, text) {
        Some(line) => write_error(&tame(&line)),
        None if answer::keep(text) => {}
        None => write_error(&tame(text)),
    }
}

/// Formats an aligned table without lines.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    aligned(header.map(str::to_owned).into(), rows.into_iter().map(Vec::from))
}

/// Like `table`, with a number of columns that only the caller knows.
pub(crate) fn aligned(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(|cell| Foreign::message(cell).to_string()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}
