//! Signals to a command that runs until it is told to leave. None of them cuts a connection.
//!
//! SIGTERM, SIGINT and SIGQUIT ask to leave. SIGHUP, which service managers send to reload and terminals when they are
//! closed, asks to read files again and to reopen logs. The other signals that would end a process are only reported:
//! other proxies give them meanings, and operators used to those must not lose connections by a signal.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::complain;
use crate::terminal::end_line;

/// Number of SIGXFSZ on every supported processor but MIPS: a file has reached its size limit. The failed write is
/// reported as well.
const FILE_TOO_LARGE: i32 = 25;

/// Request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To leave; repeated: at once.
    Leave,
    /// To read files again, and to reopen logs.
    ReadAgain,
}

/// Signals sent to the process since they were caught.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user: [Signal; 2],
    alarm: Signal,
    _file_too_large: Signal,
}

impl Signals {
    /// Catches all of them, in the runtime in which they are awaited.
    ///
    /// # Errors
    /// Reason in words: they cannot be caught.
    pub(crate) fn catch() -> Result<Self, String> {
        let caught = |kind| signal(kind).map_err(|error| format!("signals cannot be caught: {error}"));
        Ok(Self {
            terminate: caught(SignalKind::terminate())?,
            interrupt: caught(SignalKind::interrupt())?,
            quit: caught(SignalKind::quit())?,
            hangup: caught(SignalKind::hangup())?,
            user: [caught(SignalKind::user_defined1())?, caught(SignalKind::user_defined2())?],
            alarm: caught(SignalKind::alarm())?,
            _file_too_large: caught(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// Waits for a signal that asks for something. Reports those that ask for nothing.
    pub(crate) async fn next(&mut self) -> Asked {
        let Self { terminate, interrupt, quit, hangup, user: [first, second], alarm, _file_too_large } = self;
        loop {
            let ignored = tokio::select! {
                _ = terminate.recv() => return Asked::Leave,
                _ = interrupt.recv() => {
                    end_line();
                    return Asked::Leave;
                }
                _ = quit.recv() => {
                    end_line();
                    return Asked::Leave;
                }
                _ = hangup.recv() => return Asked::ReadAgain,
                _ = first.recv() => "SIGUSR1",
                _ = second.recv() => "SIGUSR2",
                _ = alarm.recv() => "SIGALRM",
            };
            complain(&format!(
                "note: {ignored} asks for nothing here\n  help: SIGHUP reads files and opens logs again, SIGTERM leaves\n"
            ));
        }
    }

    /// Waits for a request to leave, and calls `read_again` for each request to read again.
    pub(crate) async fn leave(&mut self, mut read_again: impl FnMut()) {
        while self.next().await == Asked::ReadAgain {
            read_again();
        }
    }
}
