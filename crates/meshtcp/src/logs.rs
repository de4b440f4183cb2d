//! `meshtcp logs`: outcomes of connections, from a connection log.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Exit;
use crate::output::{self, complain, print, print_list};

pub(crate) use change::story::Record;

/// Interval at which a file is checked for more lines.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The connection log, text or JSON; `-`: standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Go on with what is written from now on, also when the file is replaced
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines that fit
    #[arg(long, value_name = "N", value_parser = lines_wanted, allow_negative_numbers = true)]
    tail: Option<usize>,
    /// Only connections of this proxy: NAME or MESH/NAME
    #[arg(long, value_name = "NAME")]
    proxy: Option<String>,
    /// Only connections to this destination, or to a listener of this name or port
    #[arg(long, value_name = "PORT|SERVICE")]
    outbound: Option<String>,
    /// Only connections that went to this backend, or to a cluster or endpoint of this name
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
    /// Only connections that this policy decided: NAME, MESH/NAME, or `default` for none
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Only connections that ended so, e.g. connect-refused; may be repeated
    #[arg(long, value_name = "ENDING")]
    ended: Vec<String>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Shape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// Columns
    #[default]
    Table,
    /// Columns, with client, endpoint, draw and the reason
    Wide,
    /// One document a connection
    Yaml,
    /// One object a line
    Json,
}

/// Parses the number of lines.
fn lines_wanted(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write how many of the last lines, from 0".to_owned())
}

pub(crate) fn run(arguments: Args) -> Exit {
    let known = l4::Ending::ALL.iter().map(|ending| ending.as_str());
    if let Some(wrong) = arguments.ended.iter().find(|wanted| !known.clone().any(|it| it == *wanted)) {
        let all = known.clone().collect::<Vec<_>>().join(", ");
        complain(&format!("error: no connection ends with `{wrong}`\n  help: endings are {all}\n"));
        return Exit::Usage;
    }
    let mut fitting: Vec<Record> = Vec::new();
    let mut unread = 0usize;
    let mut reader = match open(&arguments.file) {
        Ok(reader) => reader,
        Err(exit) => return exit,
    };
    // all existing lines are read before the first is shown, so that columns are as wide as needed
    unread += lines(&mut reader, &mut String::new(), |record| {
        if arguments.wants(&record) {
            fitting.push(record);
        }
    });
    let skipped = arguments.tail.map_or(0, |tail| fitting.len().saturating_sub(tail));
    arguments.tell(&fitting[skipped..], true);
    if unread > 0 {
        complain(&format!("note: {unread} lines are no lines of a connection log\n"));
    }
    if arguments.follow {
        return follow(&arguments, reader);
    }
    Exit::Ok
}

/// Every record of a connection log, and the number of lines that are no records.
///
/// # Errors
/// Exit status, after the reason was reported.
pub(crate) fn records(file: &Path) -> Result<(Vec<Record>, usize), Exit> {
    let mut found = Vec::new();
    let unread = lines(&mut open(file)?, &mut String::new(), |record| found.push(record));
    Ok((found, unread))
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Exit> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => {
            complain(&format!("error: {} cannot be read: {error}\n", file.display()));
            Err(Exit::Environment)
        }
    }
}

/// Reads complete lines up to the end; an incomplete last line stays in `rest`. Returns the number of lines that are no
/// records.
fn lines(reader: &mut dyn BufRead, rest: &mut String, mut each: impl FnMut(Record)) -> usize {
    let mut unread = 0;
    loop {
        let mut bytes = Vec::new();
        if reader.read_until(b'\n', &mut bytes).unwrap_or(0) == 0 {
            return unread;
        }
        rest.push_str(&String::from_utf8_lossy(&bytes));
        if !rest.ends_with('\n') {
            continue;
        }
        let line = std::mem::take(rest);
        match Record::read(line.trim_end()) {
            Some(record) => each(record),
            None if line.trim().is_empty() => {}
            None => unread += 1,
        }
    }
}

fn follow(arguments: &Args, mut reader: Box<dyn BufRead>) -> Exit {
    let mut rest = String::new();
    let mut place = std::fs::metadata(&arguments.file).map(|it| identity(&it)).ok();
    loop {
        let mut fresh = Vec::new();
        lines(reader.as_mut(), &mut rest, |record| {
            if arguments.wants(&record) {
                fresh.push(record);
            }
        });
        if !fresh.is_empty() {
            arguments.tell(&fresh, false);
        }
        std::thread::sleep(LOOK);
        // a log that was rotated away, or truncated, begins anew
        let now = std::fs::metadata(&arguments.file).ok();
        let identity = now.as_ref().map(identity);
        if let (Some((device, inode, length)), Some((was_device, was_inode, was_length))) = (identity, place)
            && ((device, inode) != (was_device, was_inode) || length < was_length)
            && let Ok(mut file) = File::open(&arguments.file)
        {
            // lines written to the old file meanwhile were read above
            let _ = file.rewind();
            reader = Box::new(BufReader::new(file.take(u64::MAX)));
            rest.clear();
        }
        place = identity.or(place);
    }
}

fn identity(metadata: &std::fs::Metadata) -> (u64, u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino(), metadata.len())
}

impl Args {
    fn wants(&self, record: &Record) -> bool {
        let says = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        says(&self.proxy, &|wanted| names(record.text("proxy"), wanted))
            && says(&self.outbound, &|wanted| record.is_of_outbound(wanted))
            && says(&self.backend, &|wanted| record.is_of_backend(wanted))
            && says(&self.policy, &|wanted| {
                let policy = record.text("policy");
                policy == wanted || names(policy.split_once(' ').map_or(policy, |(_, name)| name), wanted)
            })
            && (self.ended.is_empty() || self.ended.iter().any(|ended| ended == record.text("ended")))
    }

    fn tell(&self, records: &[Record], header: bool) {
        match self.output {
            Shape::Json => {
                print(&records.iter().map(|record| format!("{}\n", record.tree())).collect::<String>())
            }
            Shape::Yaml => {
                let document = |record: &Record| format!("---\n{}", output::yaml(&record.tree()));
                print(&records.iter().map(document).collect::<String>());
            }
            Shape::Table | Shape::Wide => print_list(&self.columns(records, header)),
        }
    }

    fn columns(&self, records: &[Record], header: bool) -> String {
        let bytes = |record: &Record| {
            format!("{}/{}", record.text("bytes_from_client"), record.text("bytes_to_client"))
        };
        let text = |record: &Record, key: &str| record.shown(key).to_owned();
        let table = match self.output {
            Shape::Wide => output::table(
                [
                    "TIME",
                    "ID",
                    "PROXY",
                    "DESTINATION",
                    "CLIENT",
                    "POLICY",
                    "RULE",
                    "BACKEND",
                    "ENDPOINT",
                    "DRAW",
                    "BYTES IN/OUT",
                    "MS",
                    "ENDED",
                    "WHY",
                ],
                records.iter().map(|it| {
                    let at = |key: &str| text(it, key);
                    [
                        at("time"),
                        at("id"),
                        at("proxy"),
                        at("destination"),
                        at("client"),
                        at("policy"),
                        at("rule"),
                        at("backend"),
                        at("endpoint"),
                        at("draw"),
                        bytes(it),
                        at("duration_ms"),
                        at("ended"),
                        at("why"),
                    ]
                }),
            ),
            Shape::Table | Shape::Json | Shape::Yaml => output::table(
                ["TIME", "ID", "PROXY", "DESTINATION", "POLICY", "BACKEND", "BYTES IN/OUT", "MS", "ENDED"],
                records.iter().map(|it| {
                    let at = |key: &str| text(it, key);
                    [
                        at("time"),
                        at("id"),
                        at("proxy"),
                        at("destination"),
                        at("policy"),
                        at("backend"),
                        bytes(it),
                        at("duration_ms"),
                        at("ended"),
                    ]
                }),
            ),
        };
        if header { table } else { table.lines().skip(1).map(|line| format!("{line}\n")).collect() }
    }
}

/// Returns `true` if the proxy `MESH/NAME` is meant by `NAME` or `MESH/NAME`.
fn names(full: &str, wanted: &str) -> bool {
    full == wanted || full.split_once('/').is_some_and(|(_, name)| name == wanted)
}
