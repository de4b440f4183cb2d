//! One row a thing that can be asked: where, by whom, with what, and how it is answered. The router and the OpenAPI
//! document are both made of these rows.

use std::pin::Pin;

use axum::http::Method;
use schemars::{JsonSchema, SchemaGenerator};

use super::answer::Answer;
use super::ask::Ask;
use super::caller::Role;
use super::refusal::Refusal;

/// What comes of a request.
pub(super) type Outcome = Result<Answer, Refusal>;
/// What will come of a request.
pub(super) type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One thing that can be asked.
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path, with `{parameters}`.
    pub(super) path: &'static str,
    /// What a caller must at least be allowed to do.
    pub(super) needs: Role,
    /// Whether nobody is asked who they are.
    pub(super) open: bool,
    /// What it is, in one line.
    pub(super) summary: &'static str,
    pub(super) query: Vec<&'static Query>,
    /// The schema of the body, where there is one.
    pub(super) body: Option<&'static str>,
    /// Whether the body may be that of many resources: 16 times as large as that of one, in 3 times the time.
    pub(super) of_many: bool,
    /// How it is answered when all is well.
    pub(super) good: Vec<(u16, Body)>,
    /// How else it may be answered.
    pub(super) bad: Vec<u16>,
    pub(super) run: fn(Ask) -> Pending,
}

/// A parameter of a query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) sort: Sort,
}

/// What a parameter of a query may be.
#[derive(Debug)]
pub(super) enum Sort {
    Text,
    Flag,
    Number { least: u64, most: Option<u64> },
    OneOf(&'static [&'static str]),
}

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    /// JSON, of this schema.
    Json(Schema),
    Text,
    /// Server-sent events.
    Events,
}

/// The shape of JSON.
#[derive(Clone, Copy, Debug)]
pub(super) enum Schema {
    /// That of a type.
    Of(fn(&mut SchemaGenerator) -> schemars::Schema),
    /// One that Kuma's API has, by its name in the document.
    Named(&'static str),
}

impl Schema {
    /// The shape of a type, as it is written.
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
    /// JSON of a type.
    pub(super) fn of<T: JsonSchema>() -> Self {
        Self::Json(Schema::of::<T>())
    }
}

impl Operation {
    /// Something that readers may ask for, answered with JSON of a schema. What is not there may be in the path.
    pub(super) fn get(
        path: &'static str,
        summary: &'static str,
        schema: impl Into<Schema>,
        run: fn(Ask) -> Pending,
    ) -> Self {
        Self::new(Method::GET, path, summary, run).needs(Role::Reader).good(200, Body::Json(schema.into()))
    }

    pub(super) fn new(
        method: Method,
        path: &'static str,
        summary: &'static str,
        run: fn(Ask) -> Pending,
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

    /// Whether it asks for, or changes, what a store holds.
    pub(super) fn is_about_resources(&self) -> bool {
        self.path == "/_apply" || self.path.starts_with("/meshes") || self.path.contains("{plural}")
    }

    pub(super) fn needs(self, needs: Role) -> Self {
        Self { needs, ..self }
    }

    /// For everybody, whatever token they send.
    pub(super) fn open(self) -> Self {
        Self { needs: Role::Nobody, open: true, ..self }
    }

    /// A way to be answered when all is well.
    pub(super) fn good(mut self, status: u16, body: Body) -> Self {
        self.good.push((status, body));
        self
    }

    /// A way to be answered when not.
    pub(super) fn bad(mut self, status: u16) -> Self {
        self.bad.push(status);
        self
    }

    pub(super) fn query(mut self, query: &'static [Query]) -> Self {
        self.query.extend(query);
        self
    }

    /// Takes a body that is large.
    pub(super) fn of_many(self) -> Self {
        Self { of_many: true, ..self }
    }

    /// Takes a body of a schema.
    pub(super) fn takes(mut self, schema: &'static str) -> Self {
        self.bad.extend([408, 413, 415]);
        Self { body: Some(schema), ..self }
    }
}
