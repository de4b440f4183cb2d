//! Where resources are kept.

pub mod folder;
