//! Limit on open files for the demo's connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Number of files per connection in this process: the client's end, both ends of the proxy, the backend's end.
const FILES_EACH: usize = 4;
/// Number of other files: listeners, event loops, regular files, and the terminal.
const FILES_BESIDE: usize = 200;

/// Number of connections below which the shares of a split cannot be told apart.
pub(super) const LEAST: usize = 30;

/// Raises the limit on open files as far as possible without a privilege.
///
/// # Errors
/// Reason in words, when that is not enough: the limit, the number needed, and advice.
pub(super) fn make(connections: usize) -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let limit = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let needed = connections * FILES_EACH + FILES_BESIDE;
    if needed <= limit {
        return Ok(());
    }
    let fitting = limit.saturating_sub(FILES_BESIDE) / FILES_EACH;
    let smaller = match fitting {
        LEAST.. => format!(", or run with --connections {fitting}"),
        _ => String::new(),
    };
    Err(format!(
        "{connections} connections need {needed} open files in this process ({FILES_EACH} each: client, proxy twice, \
         backend), and the hard limit is {limit}\n  help: raise it (`ulimit -Hn`, as root){smaller}"
    ))
}
