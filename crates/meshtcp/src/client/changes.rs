//! Requests that change resources, certificates or tokens.

use change::preview::Preview;
use model::ResourceKey;
use serde_json::Value;
use ureq::Body;
use ureq::http::{Response, StatusCode};

use super::{Client, Failed};

/// Header with the revision of a change.
const REVISION: &str = "meshtcp-revision";

/// Outcome of a put.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    /// `true`: the resource is new.
    pub(crate) created: bool,
    /// Warnings of the control plane.
    pub(crate) warnings: Vec<String>,
    /// Revision of the change; `None`: the control plane does not count revisions.
    pub(crate) revision: Option<u64>,
}

/// Outcome of a resource that was put together with others.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Applied {
    pub(crate) kind: String,
    /// Mesh of the resource; empty: it is in none.
    pub(crate) mesh: String,
    pub(crate) name: String,
    /// Outcome: `created`, `updated` or `unchanged`.
    pub(crate) outcome: String,
    pub(crate) revision: Option<u64>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

impl Applied {
    /// Returns `true` if it is the resource of a key.
    pub(crate) fn is(&self, key: &ResourceKey) -> bool {
        self.kind == key.kind.as_str() && self.name == key.name && self.mesh == key.mesh_or_empty()
    }
}

impl Client {
    /// Puts a resource.
    pub(crate) fn put(&self, path: &str, document: &Value) -> Result<Put, Failed> {
        let response = self.send_put(path, document, None)?;
        self.put_answered(response)
    }

    /// Puts a resource if the stored version has this entity tag. `None`: another version is stored.
    pub(crate) fn put_on(
        &self,
        path: &str,
        document: &Value,
        tag: Option<&str>,
    ) -> Result<Option<Put>, Failed> {
        let response = self.send_put(path, document, tag)?;
        if response.status() == StatusCode::CONFLICT {
            return Ok(None);
        }
        self.put_answered(response).map(Some)
    }

    fn send_put(&self, path: &str, document: &Value, tag: Option<&str>) -> Result<Response<Body>, Failed> {
        let body = document.to_string();
        let ask = || {
            let request = self.known(self.agent.put(format!("{}{path}", self.base)));
            let mut request = request.header("content-type", "application/json");
            if let Some(tag) = tag {
                request = request.header("if-match", tag);
            }
            request.send(&body)
        };
        self.when_it_listens(ask).map_err(|error| self.unreachable(&error))
    }

    fn put_answered(&self, response: Response<Body>) -> Result<Put, Failed> {
        let (created, revision) = (response.status() == StatusCode::CREATED, revision(&response));
        let body = self.body(response)?;
        let warnings = body.get("warnings").and_then(Value::as_array).into_iter().flatten();
        let warnings = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Put { created, warnings, revision })
    }

    /// Puts resources together: all or none. `None`: the control plane is too old for that, and they have to be put one
    /// by one.
    pub(crate) fn apply(&self, documents: &[&Value]) -> Result<Option<Vec<Applied>>, Failed> {
        let body = serde_json::json!({ "total": documents.len(), "items": documents }).to_string();
        let ask = || {
            let request = self.known(self.agent.post(format!("{}/_apply", self.base)));
            request.header("content-type", "application/json").send(&body)
        };
        let response = self.when_it_listens(ask).map_err(|error| self.unreachable(&error))?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Ok(None);
        }
        let strange = |why: String| Failed::Strange { whom: self.whom, server: self.server.clone(), why };
        let mut body = self.body(response)?;
        let resources = body.get_mut("resources").map(Value::take).unwrap_or_default();
        let applied: Vec<Applied> = serde_json::from_value(resources)
            .map_err(|error| strange(format!("what it applied cannot be read: {error}")))?;
        match applied.len() == documents.len() {
            true => Ok(Some(applied)),
            false => Err(strange(format!("it applied {} of {} resources", applied.len(), documents.len()))),
        }
    }

    /// Preview of putting these resources together.
    pub(crate) fn preview(&self, documents: &[&Value]) -> Result<Preview, Failed> {
        let request = self.known(self.agent.post(format!("{}/_preview", self.base)));
        let request = request.header("content-type", "application/json");
        let body = serde_json::json!({ "total": documents.len(), "items": documents });
        let response = request.send(body.to_string()).map_err(|error| self.unreachable(&error))?;
        let strange = |error: serde_json::Error| Failed::Strange {
            whom: self.whom,
            server: self.server.clone(),
            why: format!("what it foretells cannot be read: {error}"),
        };
        serde_json::from_value(self.body(response)?).map_err(strange)
    }

    /// Requests new certificates. Returns the number of proxies that get one.
    pub(crate) fn rotate(&self, query: &str) -> Result<u64, Failed> {
        let request = self.known(self.agent.post(format!("{}/_identity/_rotate{query}", self.base)));
        let response = request.send_empty().map_err(|error| self.unreachable(&error))?;
        Ok(self.body(response)?.get("rotated").and_then(Value::as_u64).unwrap_or_default())
    }

    /// Requests a token with the content of the document, of a type: `dataplane`, `zone` or `user`.
    pub(crate) fn token(&self, sort: &str, wanted: &Value) -> Result<String, Failed> {
        let request = self.known(self.agent.post(format!("{}/tokens/{sort}", self.base)));
        let request = request.header("content-type", "application/json");
        let mut response = request.send(wanted.to_string()).map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return self.body(response).map(|_| String::new());
        }
        response.body_mut().read_to_string().map_err(|error| self.unreachable(&error))
    }

    /// Deletes a resource. Returns the revision, if the control plane counts them; `Ok(None)`: the resource did not
    /// exist.
    pub(crate) fn delete(&self, path: &str) -> Result<Option<Option<u64>>, Failed> {
        let ask = || self.known(self.agent.delete(format!("{}{path}", self.base))).call();
        let response = self.when_it_listens(ask).map_err(|error| self.unreachable(&error))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let revision = revision(&response);
        self.body(response)?;
        Ok(Some(revision))
    }
}

fn revision(response: &Response<Body>) -> Option<u64> {
    response.headers().get(REVISION)?.to_str().ok()?.parse().ok()
}
