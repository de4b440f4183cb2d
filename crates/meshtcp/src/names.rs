//! Names that are flags: what nobody can be called is a mistake of the command line.

use std::str::FromStr;

use model::ProxyKey;
use model::name::given::{self, InvalidName};

/// A proxy as people name it: `MESH/NAME`, or `NAME` in the mesh that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenProxy {
    key: ProxyKey,
    says_mesh: bool,
}

impl FromStr for WrittenProxy {
    type Err = <ProxyKey as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { key: text.parse()?, says_mesh: text.contains('/') })
    }
}

impl WrittenProxy {
    /// Who that is where `mesh` is meant.
    pub(crate) fn in_mesh(self, mesh: &str) -> ProxyKey {
        let Self { key, says_mesh } = self;
        if says_mesh { key } else { ProxyKey::new(mesh, key.name) }
    }
}

/// Reads the name of a zone.
pub(crate) fn zone(text: &str) -> Result<String, InvalidName> {
    given::zone(text).map(str::to_owned)
}

/// Reads the name of a mesh.
pub(crate) fn mesh(text: &str) -> Result<String, InvalidName> {
    given::mesh(text).map(str::to_owned)
}

/// Reads the name of a new context: it is typed on command lines and printed in tables.
pub(crate) fn context(text: &str) -> Result<String, String> {
    let is_known = |c: char| c.is_alphanumeric() || "-_.:@/+".contains(c);
    if (1..=253).contains(&text.len()) && !text.starts_with('-') && text.chars().all(is_known) {
        return Ok(text.to_owned());
    }
    Err("a context is named by at most 253 letters, digits and any of -_.:@/+, and not with `-` first"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_named_so_that_it_can_be_typed_and_printed() {
        for name in ["prod", "eu-1", "kubernetes@admin", "Prod_2"] {
            assert_eq!(context(name).as_deref(), Ok(name));
        }
        for text in ["", "a b", "a\nb", "\x1b[31m", "--server", &"c".repeat(254)] {
            assert!(context(text).is_err(), "{text}");
        }
    }
}
