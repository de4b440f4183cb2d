//! Reasons why a destination has no server name.

use std::fmt;

use serde::Serialize;

/// Reason why there is no server name for a destination, which can then not be dialled by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoServerName {
    /// A part of the name is not a DNS label.
    Label {
        /// Server name.
        sni: String,
        /// Part that is not valid.
        label: String,
    },
    /// The name is too long.
    Long {
        /// Server name.
        sni: String,
        /// Limit on its length, in bytes.
        most: usize,
    },
}

impl fmt::Display for NoServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoServerName::Label { sni, label } => write!(
                f,
                "its server name `{sni}` cannot be sent: `{label}` is no DNS label (lower-case letters, digits and `-`, at \
                 most 63)"
            ),
            NoServerName::Long { sni, most } => {
                write!(f, "its server name has {} bytes, and at most {most} can be sent: {sni}", sni.len())
            }
        }
    }
}
