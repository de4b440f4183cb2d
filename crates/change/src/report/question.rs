//! What is asked of a report.

use std::ops::Range;

use plan::ProxyId;

/// What is asked of a report: which proxies and routes, and which page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Of what; `None`: of both.
    pub subject: Option<Subject>,
    /// Only in this mesh; `None`: in all.
    pub mesh: Option<String>,
    /// Only those whose name contains this, with the mesh in front (`default/web-1`, `MeshTCPRoute default/canary`).
    pub name: Option<String>,
    /// The first that is told.
    pub offset: usize,
    /// How many are told of each; 0: they are counted only.
    pub size: usize,
}

/// What a report can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Proxies.
    Proxies,
    /// Route policies.
    Routes,
}

impl Question {
    /// Everything, however much that is.
    pub const EVERYTHING: Self = Self { subject: None, mesh: None, name: None, offset: 0, size: usize::MAX };

    /// The first 1,000 routes of a mesh.
    pub fn of_routes_in(mesh: &str) -> Self {
        Self {
            subject: Some(Subject::Routes),
            mesh: Some(mesh.to_owned()),
            name: None,
            offset: 0,
            size: 1000,
        }
    }

    pub(super) fn is_of(&self, subject: Subject) -> bool {
        self.subject.is_none_or(|it| it == subject)
    }

    pub(super) fn wants_proxy(&self, proxy: &ProxyId) -> bool {
        self.is_of(Subject::Proxies)
            && self.mesh.as_ref().is_none_or(|mesh| proxy.mesh() == &**mesh)
            && self.name.as_ref().is_none_or(|name| proxy.to_string().contains(name.as_str()))
    }

    pub(super) fn wants_route(&self, mesh: &str, title: impl FnOnce() -> String) -> bool {
        self.is_of(Subject::Routes)
            && self.mesh.as_ref().is_none_or(|wanted| wanted == mesh)
            && self.name.as_ref().is_none_or(|name| title().contains(name.as_str()))
    }

    pub(super) fn page(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.size)
    }
}
