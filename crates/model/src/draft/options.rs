//! How documents are read.

use std::sync::Arc;

use crate::profile::Profile;

/// How documents are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whose rules apply. Default 2.14.
    pub profile: Profile,
    /// What a field means that nobody knows. Default [`UnknownFields::Refuse`].
    pub unknown_fields: UnknownFields,
    /// The Kubernetes namespace whose policies are the mesh operator's. Default `kuma-system`.
    pub system_namespace: Arc<str>,
    /// The zone in whose name resources are stored, which fills in the labels of origin and zone. Default: none.
    pub zone: Option<Arc<str>>,
    /// The mesh of documents of a kind that is in one and that say none. Default `default`.
    pub mesh: Arc<str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            unknown_fields: UnknownFields::default(),
            system_namespace: "kuma-system".into(),
            zone: None,
            mesh: "default".into(),
        }
    }
}

/// What a field means that nobody knows. The reference ignores it, so a mistyped `weigth` is silently lost there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// The document is not accepted.
    #[default]
    Refuse,
    /// The operator is told.
    Warn,
    /// Nobody is told.
    Ignore,
}
