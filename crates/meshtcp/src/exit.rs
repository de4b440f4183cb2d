//! Exit status of the program: one number per meaning, the same for every command.

use std::process::ExitCode;

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Exit status of the program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Exit { $($(#[$doc])* $name = $code,)* }

        impl Exit {
            /// Numbers with their meanings, as shown by `--help`.
            pub(crate) const TABLE: &'static str =
                concat!("Exit codes:", $("\n  ", stringify!($code), "  ", $text,)*);
        }
    };
}

exits! {
    /// Success.
    Ok = 0, "all is well; of `up`: it was asked to leave and left";
    /// Negative answer, or resources with errors.
    Problems = 1, "the answer is no: resources have errors, a name is unknown, `diff` differs, a split is off";
    /// Invalid command line.
    Usage = 2, "the command line makes no sense";
    /// Failure of the environment, such as a path, an address or a limit of the system.
    Environment = 3, "the machine does not let us: a path or an address cannot be used, too few open files";
    /// Control plane that cannot be reached, or a server that does not answer as one.
    Unreachable = 4, "the control plane cannot be reached, or does not answer as one";
    /// Change that was accepted, and is not live everywhere.
    NotLive = 5, "with `--wait`: the change is accepted, and a proxy refuses it or has not taken it in time";
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
