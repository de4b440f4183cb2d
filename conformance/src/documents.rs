//! The resources of a request.

use std::fs;
use std::sync::Arc;

use model::draft::{self, Document};
use model::{Kind, Resource};
use plan::{Context, Snapshot, View};

use crate::request::{Failure, Request};

/// The documents in the file, in its order.
pub(crate) fn read(request: &Request) -> Result<Vec<Document>, Failure> {
    let name = request.input.display().to_string();
    let bytes = fs::read(&request.input).map_err(|error| format!("cannot read {name}: {error}"))?;
    let (documents, problems) = draft::read_bytes(&name, &bytes);
    match problems.first() {
        Some(problem) if documents.is_empty() => Err(Failure::Error(problem.to_string())),
        _ => Ok(documents),
    }
}

/// The resources in a file, as if a control plane had stored them: nothing is checked or added.
pub(crate) struct Resources {
    /// In the order of the file. Unlike in a store, two may have the same name.
    pub(crate) listed: Vec<Arc<Resource>>,
    pub(crate) snapshot: Snapshot,
}

impl Resources {
    pub(crate) fn of(request: &Request) -> Result<Self, Failure> {
        Self::with_context(request, Context::new(request.profile))
    }

    /// With what a control plane knows besides resources.
    pub(crate) fn with_context(request: &Request, context: Context) -> Result<Self, Failure> {
        let mut listed = Vec::new();
        for document in read(request)? {
            let parsed = draft::parse_unchecked(&document, request.profile);
            match (parsed.resource, parsed.problems.first()) {
                (Some(resource), _) => listed.push(Arc::new(resource)),
                (None, Some(problem)) => return Err(Failure::Error(problem.to_string())),
                (None, None) => {}
            }
        }
        let snapshot = Snapshot::new(listed.iter().cloned(), context);
        Ok(Self { listed, snapshot })
    }

    /// The policies of a kind, in the order of the file.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        self.listed.iter().map(Arc::as_ref).filter(move |resource| resource.kind() == kind)
    }

    /// The policies of a kind with these names, in the order of the names; a name that is there twice means one policy and
    /// then the next of that name.
    pub(crate) fn named(&self, kind: Kind, names: &[&str]) -> Vec<&Resource> {
        let mut left: Vec<&Resource> = self.of_kind(kind).collect();
        let mut take = |name: &&str| {
            let at = left.iter().position(|resource| resource.meta().name == **name)?;
            Some(left.remove(at))
        };
        names.iter().filter_map(&mut take).collect()
    }

    /// What the proxy of the request sees.
    pub(crate) fn view(&self, request: &Request) -> Result<View<'_>, Failure> {
        let proxy = request.proxy();
        self.snapshot.seen_by(&proxy).ok_or_else(|| Failure::Error(format!("there is no Dataplane {proxy}")))
    }
}
