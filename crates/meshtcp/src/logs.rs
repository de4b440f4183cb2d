//! `meshtcp logs`: outcomes of connections, from a connection log.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::exit::Exit;
use crate::output::{self, complain, is_unread, print, print_list};

pub(crate) use change::story::Record;

/// Interval at which a file is checked for more lines.
const LOOK: Duration = Duration::from_millis(200);
/// Limit on the length of a line, in bytes: longer ones are no lines of a connection log.
const LINE: usize = 1 << 20;

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
    let mut fitting: VecDeque<Record> = VecDeque::new();
    let mut reader = match open(&arguments.file) {
        Ok(reader) => reader,
        Err(exit) => return exit,
    };
    // all existing lines are read before the first is shown, so that columns are as wide as needed
    let mut rest = Rest::default();
    let mut take = |record: Record| {
        if arguments.wants(&record) {
            fitting.push_back(record);
        }
        if arguments.tail.is_some_and(|tail| fitting.len() > tail) {
            fitting.pop_front();
        }
    };
    let mut read = lines(&mut reader, &mut rest, &mut take);
    if !arguments.follow {
        read = read.map(|unread| unread + rest.end(&mut take));
    }
    arguments.tell(fitting.make_contiguous(), true);
    let unread = match read {
        Ok(unread) => unread,
        Err(error) => return unreadable(&arguments.file, &error),
    };
    if unread > 0 {
        complain(&format!("note: {unread} lines are no lines of a connection log\n"));
    }
    if arguments.follow {
        return follow(&arguments, reader, rest);
    }
    Exit::Ok
}

/// Every record of a connection log, and the number of lines that are no records.
///
/// # Errors
/// Exit status, after the reason was reported.
pub(crate) fn records(file: &Path) -> Result<(Vec<Record>, usize), Exit> {
    let mut found = Vec::new();
    let (mut rest, mut take) = (Rest::default(), |record| found.push(record));
    let read = lines(&mut open(file)?, &mut rest, &mut take);
    let unread = read.map_err(|error| unreadable(file, &error))? + rest.end(&mut take);
    Ok((found, unread))
}

fn unreadable(file: &Path, error: &io::Error) -> Exit {
    complain(&format!("error: {} cannot be read: {error}\n", file.display()));
    Exit::Environment
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, Exit> {
    if file.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    match File::open(file) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(error) => Err(unreadable(file, &error)),
    }
}

/// Beginning of a line whose end has not been read.
#[derive(Debug, Default)]
struct Rest {
    bytes: Vec<u8>,
    /// `true`: the line is longer than any that is wanted, and its beginning is not kept.
    is_overlong: bool,
}

impl Rest {
    /// Ends the line. Returns the number of lines that are no records, 0 or 1.
    fn end(&mut self, each: &mut impl FnMut(Record)) -> usize {
        let Self { bytes, is_overlong } = std::mem::take(self);
        let line = String::from_utf8_lossy(&bytes);
        match Record::read(line.trim_end()).filter(|_| !is_overlong) {
            Some(record) => each(record),
            None if line.trim().is_empty() && !is_overlong => {}
            None => return 1,
        }
        0
    }
}

/// Reads complete lines up to the end; an incomplete last line stays in `rest`. Returns the number of lines that are no
/// records.
///
/// # Errors
/// The log cannot be read on. What was read before was passed on.
fn lines(reader: &mut dyn BufRead, rest: &mut Rest, each: &mut impl FnMut(Record)) -> io::Result<usize> {
    let mut unread = 0;
    loop {
        let room = LINE.saturating_sub(rest.bytes.len()) as u64;
        match (&mut *reader).take(room).read_until(b'\n', &mut rest.bytes) {
            Ok(0) if room > 0 => return Ok(unread),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if !rest.bytes.ends_with(b"\n") {
            if rest.bytes.len() >= LINE {
                rest.bytes.clear();
                rest.is_overlong = true;
            }
            continue;
        }
        unread += rest.end(each);
    }
}

fn follow(arguments: &Args, mut reader: Box<dyn BufRead>, mut rest: Rest) -> Exit {
    let mut place = std::fs::metadata(&arguments.file).map(|it| identity(&it)).ok();
    loop {
        let mut fresh = Vec::new();
        let read = lines(reader.as_mut(), &mut rest, &mut |record| {
            if arguments.wants(&record) {
                fresh.push(record);
            }
        });
        if !fresh.is_empty() {
            arguments.tell(&fresh, false);
        }
        if let Err(error) = read {
            return unreadable(&arguments.file, &error);
        }
        if is_unread() {
            return Exit::Ok;
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
            rest = Rest::default();
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

#[cfg(test)]
mod tests {
    use super::*;

    const LINE_OF_LOG: &str = "id=1 listener=in ended=done";

    /// Ids of the records that are found, and the number of other lines.
    fn found(text: &[u8]) -> (Vec<String>, usize) {
        let (mut ids, mut rest) = (Vec::new(), Rest::default());
        let mut take = |record: Record| ids.push(record.text("id").to_owned());
        let unread = lines(&mut &*text, &mut rest, &mut take).unwrap() + rest.end(&mut take);
        (ids, unread)
    }

    #[test]
    fn what_has_no_end_or_is_no_line_costs_itself() {
        assert_eq!(
            found(format!("{LINE_OF_LOG}\n\nodd\n{LINE_OF_LOG}").as_bytes()),
            (vec!["1".into(); 2], 1)
        );
        let endless = [vec![b'x'; 3 * LINE + 7], b"\n".to_vec(), LINE_OF_LOG.into(), vec![b'\n']].concat();
        assert_eq!(found(&endless), (vec!["1".into()], 1));
        assert_eq!(found(&vec![0; 2 * LINE]), (vec![], 1));
        // the longest line that is read
        let long = format!("{LINE_OF_LOG} why={}\n", "y".repeat(LINE - LINE_OF_LOG.len() - 6));
        assert_eq!((long.len(), found(long.as_bytes())), (LINE, (vec!["1".into()], 0)));
    }
}
