//! Problems of a configuration that was rejected.

use std::fmt;

use xds::Foreign;

use super::ProxyName;

/// Limit on printed problems.
const SHOWN: usize = 20;

/// Problem in the messages of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Proxy whose message has the problem.
    pub proxy: ProxyName,
    /// Message, as its type and name, e.g. `Listener outbound:127.0.0.1:6379`.
    pub resource: String,
    /// Field of the message; empty: the message as a whole.
    pub field: String,
    /// Description of the problem, with the value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, resource, field, message } = self;
        write!(f, "proxy {proxy}: {resource}")?;
        if !field.is_empty() {
            write!(f, " {field}")?;
        }
        write!(f, ": {message}")
    }
}

/// All problems of a configuration; never empty. The previous configuration stays in use until a valid one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Problems in the order of proxies, then messages.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            Foreign::message(problem).fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}
