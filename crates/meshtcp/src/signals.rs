//! Signals to a command that runs until it is told to leave. None of them cuts a connection.
//!
//! SIGTERM, SIGINT and SIGQUIT ask to leave. SIGHUP, which service managers send to reload and terminals when they are
//! closed, asks to read again and to open logs again. The others that would end a process are only remarked on: other proxies
//! have given them meanings, and whoever has that habit is not to lose connections by it. Those that nobody has a habit of are
//! caught all the same, and nothing comes of them; what tells of a mistake in the process itself is not.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::complain;
use crate::terminal::end_line;

/// Nothing comes of them, as `kill -l` numbers them on every processor that we are built for but MIPS: SIGSTKFLT, SIGXCPU,
/// SIGXFSZ (a file has reached the limit of its size: the write that did it fails too, and that is told), SIGVTALRM, SIGPROF,
/// SIGIO, SIGPWR, and those of real time that C libraries leave to programs.
const WITHOUT_MEANING: [std::ops::RangeInclusive<i32>; 4] = [16..=16, 24..=27, 29..=30, 34..=64];

/// Request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalRequest {
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
}

/// Catches every signal that does not ask to leave, for good, before there is anything to read again or to lose: whoever
/// sends one while a process starts does not end it.
pub(crate) fn survive() {
    let catch = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let kinds = [SignalKind::hangup(), SignalKind::user_defined1(), SignalKind::user_defined2()];
            kinds.into_iter().chain([SignalKind::alarm()]).try_for_each(|kind| signal(kind).map(drop))?;
            let others = WITHOUT_MEANING.into_iter().flatten().map(SignalKind::from_raw);
            others.for_each(|kind| drop(signal(kind)));
            std::io::Result::Ok(())
        })
    };
    // what cannot be caught now is asked for again, and told, when there is something to lose
    let _ = catch();
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
        })
    }

    /// Waits for a signal that asks for something. Reports those that ask for nothing.
    pub(crate) async fn next(&mut self) -> SignalRequest {
        let Self { terminate, interrupt, quit, hangup, user: [first, second], alarm } = self;
        loop {
            let ignored = tokio::select! {
                _ = terminate.recv() => return SignalRequest::Leave,
                _ = interrupt.recv() => {
                    end_line();
                    return SignalRequest::Leave;
                }
                _ = quit.recv() => {
                    end_line();
                    return SignalRequest::Leave;
                }
                _ = hangup.recv() => return SignalRequest::ReadAgain,
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
        while self.next().await == SignalRequest::ReadAgain {
            read_again();
        }
    }
}
