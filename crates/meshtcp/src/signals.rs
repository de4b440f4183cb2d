//! What every signal means to a command that goes on until it is told to leave. None of them cuts a connection.
//!
//! SIGTERM, SIGINT and SIGQUIT ask to leave. SIGHUP, which service managers send to reload and terminals when they are
//! closed, asks to read again and to open logs again. The others that would end a process are only remarked on: other proxies
//! have given them meanings, and whoever has that habit is not to lose connections by it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::complain;
use crate::terminal::end_line;

/// SIGXFSZ, as `kill -l` numbers it on every processor that we are built for but MIPS: a file has reached the limit of its
/// size. The write that did it fails too, and that is told.
const FILE_TOO_LARGE: i32 = 25;

/// What somebody asks of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To leave; once more: at once.
    Leave,
    /// To read again what is read, and to open logs again.
    ReadAgain,
}

/// The signals that a process is sent, from when they are caught on.
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
    /// Catches all of them, in the runtime in which they are to be waited for.
    ///
    /// # Errors
    /// In words: they cannot be caught.
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

    /// Waits for a signal that asks for something. Remarks on those that ask for nothing.
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

    /// Waits until somebody asks to leave, and calls `read_again` whenever somebody asks for that.
    pub(crate) async fn leave(&mut self, mut read_again: impl FnMut()) {
        while self.next().await == Asked::ReadAgain {
            read_again();
        }
    }
}
