//! Operations of the API, one row each: path, permission, input, answers. The router and the OpenAPI document are both
//! made of these rows.

use std::pin::Pin;

use axum::http::Method;
use schemars::{JsonSchema, SchemaGenerator};

use super::answer::Answer;
use super::caller::Role;
use super::refusal::Refusal;
use super::request::ApiRequest;

/// Result of a request.
pub(super) type Outcome = Result<Answer, Refusal>;
/// Future result of a request.
pub(super) type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One operation.
pub(super) struct Operation {
    pub(super) method: Method,
    /// Path, with `{parameters}`.
    pub(super) path: &'static str,
    /// Least role that a caller needs.
    pub(super) needs: Role,
    /// `true`: callers are not authenticated.
    pub(super) open: bool,
    /// Summary, in one line.
    pub(super) summary: &'static str,
    pub(super) query: Vec<&'static Query>,
    /// Name of the schema of the body; `None`: there is no body.
    pub(super) body: Option<&'static str>,
    /// `true`: the body may hold many resources: 16 times the size limit and 3 times the time limit of one.
    pub(super) of_many: bool,
    /// Successful answers, by status.
    pub(super) good: Vec<(u16, Body)>,
    /// Statuses of other answers.
    pub(super) bad: Vec<u16>,
    pub(super) run: fn(ApiRequest) -> Pending,
}

/// Query parameter.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) sort: ParameterType,
}

/// Type of a query parameter.
#[derive(Debug)]
pub(super) enum ParameterType {
    Text,
    Flag,
    Number { least: u64, most: Option<u64> },
    OneOf(&'static [&'static str]),
}

/// Content type of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// JSON with this schema.
    Json(Schema),
    Text,
    /// Server-sent events.
    Events,
}

/// Schema of a JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schema {
    /// Schema of a type.
    Of(fn(&mut SchemaGenerator) -> schemars::Schema),
    /// Schema of Kuma's API, by its name in the document.
    Named(&'static str),
}

impl Schema {
    /// Schema of a type, as it is serialised.
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self::Of(SchemaGenerator::subschema_for::<T>)
    }
}

impl From<&'static str> for Schema {
    fn from(name: &'static str) -> Self {
        Self::Named(name)
    }
}

impl Body {
    /// JSON body of a type.
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self::Json(Schema::of::<T>())
    }
}

impl Operation {
    /// Creates a read-only operation for readers, answered with JSON of a schema. If the path has parameters, 404 is a
    /// possible answer.
    pub(super) fn get(
        path: &'static str,
        summary: &'static str,
        schema: impl Into<Schema>,
        run: fn(ApiRequest) -> Pending,
    ) -> Self {
        Self::new(Method::GET, path, summary, run).needs(Role::Reader).good(200, Body::Json(schema.into()))
    }

    pub(super) fn new(
        method: Method,
        path: &'static str,
        summary: &'static str,
        run: fn(ApiRequest) -> Pending,
    ) -> Self {
        let mut bad = vec![400, 401, 403];
        if path.contains('{') {
            bad.push(404);
        }
        if method != Method::GET {
            bad.push(405);
        }
        bad.push(503);
        let (needs, query, good) = (Role::Writer, Vec::new(), Vec::new());
        Self { method, path, needs, open: false, summary, query, body: None, of_many: false, good, bad, run }
    }

    /// Returns `true` if it reads or changes the content of a store.
    pub(super) fn is_about_resources(&self) -> bool {
        self.path == "/_apply" || self.path.starts_with("/meshes") || self.path.contains("{plural}")
    }

    pub(super) fn needs(self, needs: Role) -> Self {
        Self { needs, ..self }
    }

    /// Opens it to everybody, whatever token they send.
    pub(super) fn open(self) -> Self {
        Self { needs: Role::Nobody, open: true, ..self }
    }

    /// Adds a successful answer.
    pub(super) fn good(mut self, status: u16, body: Body) -> Self {
        self.good.push((status, body));
        self
    }

    /// Adds the status of another answer.
    pub(super) fn bad(mut self, status: u16) -> Self {
        self.bad.push(status);
        self
    }

    pub(super) fn query(mut self, query: &'static [Query]) -> Self {
        self.query.extend(query);
        self
    }

    /// Accepts a body with many resources.
    pub(super) fn of_many(self) -> Self {
        Self { of_many: true, ..self }
    }

    /// Accepts a body with a schema.
    pub(super) fn takes(mut self, schema: &'static str) -> Self {
        self.bad.extend([408, 413, 415]);
        Self { body: Some(schema), ..self }
    }
}
