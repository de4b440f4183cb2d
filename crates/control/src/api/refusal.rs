//! Refusal of a request: one shape for every failure, the one that Kuma's clients read.

use axum::http::{StatusCode, header};
use model::problems::{SHOWN, Shown};
use model::{Problem, Problems, Severity};
use serde_json::{Value, json};

use super::answer::Answer;
use crate::store::StoreError;

/// Refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(super) status: StatusCode,
    /// Action that failed. Never empty: clients take an empty title for no error at all.
    pub(super) title: String,
    /// Reason.
    pub(super) detail: String,
    /// Invalid fields.
    pub(super) invalid: Vec<Invalid>,
    /// Number of invalid fields beyond those.
    pub(super) more: usize,
    /// `true`: nothing was done, and the same request will succeed in a moment.
    pub(super) again: bool,
}

/// Invalid field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(super) field: String,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: title.into(),
            detail: detail.into(),
            invalid: Vec::new(),
            more: 0,
            again: false,
        }
    }

    /// Creates the refusal of a request that cannot be parsed.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", detail)
    }

    /// Creates the refusal for a missing resource or mesh in the path.
    pub(super) fn not_found(title: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, title, "Not found")
    }

    /// Creates the refusal of an action that the caller may not do.
    pub(super) fn denied(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Access Denied", detail)
    }

    /// Creates the refusal of an action that this resource does not support.
    pub(super) fn not_allowed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail)
    }

    /// Creates the refusal of a process that is about to end.
    pub(super) fn leaving() -> Self {
        Self::later("this control plane instance is shutting down: ask again")
    }

    /// Creates the refusal while the initial content of the store does not exist yet.
    pub(super) fn starting() -> Self {
        Self::later("this control plane is starting, and has no mesh yet: ask again")
    }

    fn later(detail: &str) -> Self {
        Self { again: true, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", detail) }
    }

    /// Creates the refusal when the limit on concurrent long requests is reached.
    pub(super) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", detail)
    }

    /// Creates the refusal for a fault of the program.
    pub(super) fn failed() -> Self {
        let detail = "the control plane failed while it answered; what proxies run goes on. Its log says where: please report it";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error", detail)
    }

    /// Creates the refusal for one invalid field.
    pub(super) fn field(
        title: impl Into<String>,
        detail: impl Into<String>,
        field: &str,
        reason: impl Into<String>,
    ) -> Self {
        let invalid = vec![Invalid { field: field.into(), reason: reason.into() }];
        Self { invalid, ..Self::new(StatusCode::BAD_REQUEST, title, detail) }
    }

    /// Creates the refusal of an invalid document.
    pub(super) fn invalid(title: impl Into<String>, problems: &Problems) -> Self {
        Self::invalid_by(title, problems, |problem| Invalid {
            field: problem.violation.field.clone(),
            reason: match &problem.help {
                Some(help) => format!("{} ({help})", problem.violation.message),
                None => problem.violation.message.clone(),
            },
        })
    }

    /// Creates the refusal of an invalid document, whose problems are rendered by `said`: the first ones, and the
    /// number of the others.
    pub(super) fn invalid_by(
        title: impl Into<String>,
        problems: &Problems,
        said: impl Fn(&Problem) -> Invalid,
    ) -> Self {
        let errors = problems.only(Severity::Error);
        let Shown { problems, more } = errors.shown(SHOWN);
        let detail = match more {
            0 => "Resource is not valid".to_owned(),
            more => {
                format!("Resource is not valid: here are the first {SHOWN} errors, and there are {more} more")
            }
        };
        let invalid = problems.into_iter().map(said).collect();
        Self { invalid, more, ..Self::new(StatusCode::BAD_REQUEST, title, detail) }
    }

    /// Creates the refusal for an error of the store. `title`: the action that failed.
    pub(super) fn of_store(title: &str, error: &StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_found(title),
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "Conflict", error.to_string()),
            StoreError::Unfit { .. } | StoreError::TooOld { .. } => Self::bad(error.to_string()),
            StoreError::Full { .. }
            | StoreError::Lost { .. }
            | StoreError::Silent { .. }
            | StoreError::Denied { .. } => {
                // errors of the system may reveal where a database is: they are for the operator
                tracing::error!(%error, "the store could not do what was asked");
                let detail = match error {
                    StoreError::Full { .. } => {
                        "there is no room in the store: make room, and try again; reading goes on, and proxies keep what they \
                         run. The log of the control plane says more"
                    }
                    StoreError::Lost { .. } => {
                        "the store cannot be reached now: try again, and read first what is there, because a change may have \
                         been made; proxies keep what they run. The log of the control plane says why"
                    }
                    StoreError::Silent { begun: true, .. } => {
                        "the disk of the store does not answer: the change may still be stored once it does, so read what is \
                         there before you try again; reading goes on, and proxies keep what they run"
                    }
                    StoreError::Silent { begun: false, .. } => {
                        "the disk of the store does not answer, and nothing was stored: try again later; reading goes on, and \
                         proxies keep what they run"
                    }
                    _ => "the store cannot be used now: the log of the control plane says why",
                };
                Self::new(StatusCode::SERVICE_UNAVAILABLE, title, detail)
            }
            StoreError::Damaged { .. } => {
                tracing::error!(%error, "the store could not do what was asked");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, title, "Internal Server Error")
            }
        }
    }

    /// Sets another title.
    pub(super) fn titled(self, title: &str) -> Self {
        Self { title: title.into(), ..self }
    }

    /// Renders the body. `details` and `causes` repeat the same for older clients.
    pub(super) fn body(&self) -> Value {
        let Self { status, title, detail, invalid, more, again: _ } = self;
        let mut body =
            json!({ "type": "/std-errors", "status": status.as_u16(), "title": title, "detail": detail });
        if !invalid.is_empty() {
            let each = |key: &str| -> Vec<Value> {
                invalid.iter().map(|it| json!({ "field": it.field, key: it.reason })).collect()
            };
            body["invalid_parameters"] = each("reason").into();
            body["details"] = json!(detail);
            body["causes"] = each("message").into();
            if *more > 0 {
                body["more_invalid_parameters"] = json!(more);
            }
        } else {
            body["details"] = json!(detail);
        }
        body
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let answer = Answer::json(refusal.body()).with_status(refusal.status);
        match refusal.again {
            true => answer.with_header(header::RETRY_AFTER, "1"),
            false => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_clients_read_the_same() {
        let refusal = Refusal::field(
            "Could not process a resource",
            "Mesh is not found",
            "mesh",
            "mesh of name `x` is not found",
        );
        assert_eq!(
            refusal.body(),
            json!({
                "type": "/std-errors", "status": 400, "title": "Could not process a resource", "detail": "Mesh is not found",
                "invalid_parameters": [{ "field": "mesh", "reason": "mesh of name `x` is not found" }],
                "details": "Mesh is not found",
                "causes": [{ "field": "mesh", "message": "mesh of name `x` is not found" }],
            })
        );
        assert_eq!(Refusal::bad("no").body().get("causes"), None);
    }
}
