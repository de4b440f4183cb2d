//! Options of reading documents.

use std::sync::Arc;

use crate::profile::Profile;

/// Options of reading documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Profile whose rules apply. Default 2.14.
    pub profile: Profile,
    /// Treatment of unknown fields. Default [`UnknownFields::Refuse`].
    pub unknown_fields: UnknownFields,
    /// Kubernetes namespace whose policies are the mesh operator's. Default `kuma-system`.
    pub system_namespace: Arc<str>,
    /// Zone in whose name resources are stored, which fills in the labels of origin and zone. Default: none.
    pub zone: Option<Arc<str>>,
    /// Mesh of documents without one, for kinds of mesh scope. Default `default`.
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

/// Treatment of unknown fields. The reference ignores them, so a mistyped `weigth` is silently lost there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// Refuse the document.
    #[default]
    Refuse,
    /// Warn the operator.
    Warn,
    /// Ignore them silently.
    Ignore,
}
