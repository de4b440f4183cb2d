//! Query of a report.

use std::ops::Range;

use plan::ProxyId;

/// Query of a report: the selection of proxies and routes, and the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Subject of the report; `None`: both.
    pub subject: Option<Subject>,
    /// Mesh to report; `None`: all.
    pub mesh: Option<String>,
    /// Text that a name must contain, with the mesh in front (`default/web-1`, `MeshTCPRoute default/canary`); `None`:
    /// any.
    pub name: Option<String>,
    /// Index of the first entry of the page.
    pub offset: usize,
    /// Number of entries of each subject on a page; 0: only totals.
    pub size: usize,
}

/// Subject of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Proxies.
    Proxies,
    /// Route policies.
    Routes,
}

impl Question {
    /// Everything, without a limit.
    pub const EVERYTHING: Self = Self { subject: None, mesh: None, name: None, offset: 0, size: usize::MAX };

    /// First 1,000 routes of a mesh.
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
