//! Why a configuration was not accepted.

use std::fmt;

use xds::Foreign;

use super::ProxyName;

/// How many problems are printed.
const SHOWN: usize = 20;

/// One thing that is wrong with the messages of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whose messages.
    pub proxy: ProxyName,
    /// Which message, as its type and name, e.g. `Listener outbound:127.0.0.1:6379`.
    pub resource: String,
    /// Which field of it; empty when the message as a whole.
    pub field: String,
    /// What is wrong, with the value.
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

/// Everything that is wrong; never empty. The configuration before it stays good: give a repaired one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// The problems in the order of proxies, then messages.
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
