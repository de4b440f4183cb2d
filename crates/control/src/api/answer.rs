//! Answer to a request.

use std::convert::Infallible;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use tokio_stream::Stream;

/// Header with the store revision of a change.
pub(super) const REVISION: HeaderName = HeaderName::from_static("meshtcp-revision");

/// Stream of server-sent events, as text chunks.
pub(super) type Events = Pin<Box<dyn Stream<Item = Result<String, Infallible>> + Send>>;

/// Successful answer to a request.
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
}

enum Content {
    Json(Value),
    /// JSON that is serialised already.
    Written(&'static str),
    Text(String),
    Events(Events),
}

impl Answer {
    /// Creates an answer with a JSON tree.
    pub(super) fn json(tree: Value) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Json(tree) }
    }

    /// Creates an answer with a constant JSON text.
    pub(super) fn written(json: &'static str) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Written(json) }
    }

    /// Creates an answer in plain text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Text(text.into()) }
    }

    /// Creates an answer with server-sent events.
    pub(super) fn events(events: Events) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), content: Content::Events(events) }
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Adds a header. A value that is invalid in a header is left out.
    pub(super) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        let Self { status, headers, content } = self;
        let (kind, body) = match content {
            // indented by two spaces, with `&` unescaped: links stay readable
            Content::Json(tree) => ("application/json", Body::from(format!("{tree:#}\n"))),
            Content::Written(json) => ("application/json", Body::from(json)),
            Content::Text(text) => ("text/plain; charset=utf-8", Body::from(text)),
            Content::Events(events) => ("text/event-stream", Body::from_stream(events)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
