//! Request as parsed for every operation.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use model::draft::{Document, read_bytes};

use super::caller::{Caller, Role};
use super::collection::Collection;
use super::page::Place;
use super::refusal::Refusal;
use super::{Api, Inner};

/// One request.
pub(crate) struct ApiRequest {
    pub(super) api: Api,
    pub(super) caller: Caller,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// Path as it was sent.
    pub(super) path: String,
    /// Parameters in the path, by name.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ApiRequest {
    pub(super) fn api(&self) -> &Inner {
        &self.api.inner
    }

    /// Returns a parameter of the path; empty if the path does not have it.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    }

    /// Returns the last value of a query parameter.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Mesh in the path; `None`: all meshes.
    pub(super) fn mesh(&self) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == "mesh").map(|(_, value)| value.as_str())
    }

    /// Returns the collection in the path, if the caller may see it there.
    pub(super) fn collection(&self) -> Result<Collection, Refusal> {
        let found = Collection::at(self.parameter("plural"))
            .filter(|found| self.mesh().is_none() || found.scope() == model::kind::Scope::Mesh);
        let collection = found.ok_or_else(Refusal::no_page)?;
        if collection.is_secret() && self.caller.role() < Role::Admin {
            return Err(self.refuse_access(collection));
        }
        Ok(collection)
    }

    pub(super) fn refuse_access(&self, collection: Collection) -> Refusal {
        self.caller.refused(&format!("cannot access the resource of type \"{}\"", collection.name()))
    }

    /// Place of the request, for links to the next page.
    pub(super) fn place(&self) -> Place<'_> {
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Place { scheme: self.scheme, host: host.unwrap_or("localhost"), path: &self.path, query: &self.query }
    }

    /// Parses the documents in the body: JSON, or YAML if the content type says so.
    pub(super) fn documents(&self) -> Result<Vec<Document>, Refusal> {
        let name = if self.is_yaml() { "body.yaml" } else { "body.json" };
        let (documents, problems) = read_bytes(name, &self.body);
        match problems.first() {
            None => Ok(documents),
            Some(problem) => {
                let more = match problems.total() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                Err(Refusal::bad(format!("{problem}{more}")))
            }
        }
    }

    /// Parses the one JSON object in the body.
    pub(super) fn object(&self) -> Result<serde_json::Map<String, serde_json::Value>, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad(format!("the body is no JSON object: {error}")))
    }

    fn is_yaml(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.contains("yaml"))
    }
}

/// Checks that the content type of the body can be read. A missing one means JSON.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|it| it.to_str().unwrap_or("?").trim());
    if let Some(encoding) = encoding.filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity")) {
        let detail = format!("a body that is encoded as `{encoding}` cannot be read: send it as it is");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", detail));
    }
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence =
        kind.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["application/json", "application/yaml", "application/x-yaml", "text/yaml"];
    if known.contains(&essence.as_str()) || essence.ends_with("+json") {
        return Ok(());
    }
    let detail = format!("a body of type `{essence}` cannot be read: send application/json");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type", detail))
}

impl Refusal {
    /// Refusal of a path that does not exist. The router answers it with plain text.
    pub(super) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, NO_PAGE, NO_PAGE)
    }

    pub(super) fn is_no_page(&self) -> bool {
        self.title == NO_PAGE
    }
}

/// Body for unknown paths. Clients compare it, to tell a wrong port from a missing resource.
pub(super) const NO_PAGE: &str = "404: Page Not Found";
