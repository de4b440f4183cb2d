//! Why a destination has no server name.

use std::fmt;

use serde::Serialize;

/// Why there is no server name for a destination, which can then not be dialled by TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoServerName {
    /// A part of the name is no DNS label.
    Label {
        /// The name.
        sni: String,
        /// The part.
        label: String,
    },
    /// The name is too long.
    Long {
        /// The name.
        sni: String,
        /// How many bytes it may have.
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
