//! How the program ends: one number a meaning, the same for every command.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// How the program ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Exit { $($(#[$doc])* $name = $code,)* }

        impl Exit {
            /// The numbers and their meanings, as `--help` shows them.
            pub(crate) const TABLE: &'static str =
                concat!("Exit codes:", $("\n  ", stringify!($code), "  ", $text,)*);
        }
    };
}

exits! {
    /// All is well.
    Ok = 0, "all is well; of `up`: it was asked to leave and left";
    /// The answer is no.
    Problems = 1, "the answer is no: resources have errors, a name is unknown, `diff` differs, a split is off";
    /// The command line makes no sense.
    Usage = 2, "the command line makes no sense";
    /// The machine does not let us.
    Environment = 3, "the machine does not let us: a path or an address cannot be used, too few open files";
    /// Nobody answers, or not as a control plane should.
    Unreachable = 4, "the control plane cannot be reached, or does not answer as one";
    /// A change was accepted, and is not live everywhere.
    NotLive = 5, "with `--wait`: the change is accepted, and a proxy refuses it or has not taken it in time";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
