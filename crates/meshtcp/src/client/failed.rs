//! Reasons why a request failed: whose fault it is, and advice.

use std::io;

use model::problems::SHOWN;
use serde_json::Value;
use xds::Foreign;

use crate::exit::Exit;
use crate::output::complain;

/// Type of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// REST API of a control plane.
    ControlPlane,
    /// Admin server of a proxy.
    Proxy,
}

impl std::fmt::Display for ServerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ServerKind::ControlPlane => "control plane",
            ServerKind::Proxy => "proxy",
        })
    }
}

/// Cause of a failed connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No process listens, or the path to it is closed.
    Nobody,
    /// The host name cannot be resolved.
    NoSuchHost,
    /// The request used TLS, and the server speaks plaintext.
    SpeaksNoTls,
    /// The request used plaintext, and the server speaks TLS.
    SpeaksTls,
    /// The server's certificate has another name, or no trusted authority signed it.
    Certificate,
    /// The server was silent for too long.
    Silent,
    /// Any other failure of the connection.
    Broken,
}

impl Cause {
    /// Cause of a client error.
    pub(super) fn of(error: &ureq::Error) -> Self {
        let words = error.to_string();
        let says = |part: &str| words.contains(part);
        match error {
            ureq::Error::HostNotFound => Self::NoSuchHost,
            ureq::Error::Timeout(_) => Self::Silent,
            // rustls' name for the answer of a plaintext server
            _ if says("InvalidContentType") => Self::SpeaksNoTls,
            _ if says("invalid peer certificate") => Self::Certificate,
            // a TLS alert is no status line
            _ if says("invalid HTTP version") => Self::SpeaksTls,
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::NotFound
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable => Self::Nobody,
                io::ErrorKind::TimedOut => Self::Silent,
                _ if says("failed to lookup address") => Self::NoSuchHost,
                _ => Self::Broken,
            },
            _ => Self::Broken,
        }
    }

    /// Advice against the cause.
    fn help(self, whom: ServerKind, server: &str) -> String {
        let behind = |scheme: &str| server.strip_prefix(scheme).unwrap_or(server);
        match (self, whom) {
            (Cause::Nobody, ServerKind::ControlPlane) => {
                "is it running? `meshtcp config view` shows which one is meant".to_owned()
            }
            (Cause::Nobody, ServerKind::Proxy) => "is it running, and with this address as its --admin?".to_owned(),
            (Cause::NoSuchHost, _) => "no address is known of that host: is the name right?".to_owned(),
            (Cause::SpeaksNoTls, _) => {
                format!("it speaks no TLS there: write http://{}, on a network that you trust", behind("https://"))
            }
            (Cause::SpeaksTls, _) => format!("it speaks TLS there: write https://{}", behind("http://")),
            (Cause::Certificate, _) => {
                "--ca-file, or the context, names whom its certificate is signed by".to_owned()
            }
            (Cause::Silent, _) => {
                "something listens there and does not answer in time: is it the right port, or is it overloaded?".to_owned()
            }
            (Cause::Broken, ServerKind::ControlPlane) => "does a control plane listen there (--api)?".to_owned(),
            (Cause::Broken, ServerKind::Proxy) => "does a proxy listen there (--admin)?".to_owned(),
        }
    }
}

/// Reason why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// The server cannot be reached.
    #[error("the {whom} {server} cannot be reached: {why}\n  help: {}", cause.help(*whom, server))]
    Unreachable {
        /// Type of the server.
        whom: ServerKind,
        /// Name of the server.
        server: String,
        /// Reason in words.
        why: String,
        /// Cause, which determines the advice.
        cause: Cause,
    },
    /// The server cannot prove its identity.
    #[error("the control plane {server} is not believed to be it: {why}\n  help: {help}")]
    Distrusted {
        /// Name of the server.
        server: String,
        /// Fault of the certificate.
        why: String,
        /// Advice.
        help: &'static str,
    },
    /// The server refuses the request.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not that of a control plane.
    #[error("{server} does not answer as a {whom}: {why}")]
    Strange {
        /// Type of the server.
        whom: ServerKind,
        /// Name of the server.
        server: String,
        /// Reason in words.
        why: String,
    },
}

/// Refusal in the control plane's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    title: String,
    detail: String,
    fields: Vec<(String, String)>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, title, detail, fields } = self;
        write!(f, "{}", Foreign::message(title))?;
        if !detail.is_empty() {
            write!(f, ": {}", Foreign::message(detail))?;
        }
        for (field, reason) in fields.iter().take(SHOWN) {
            write!(f, "\n  {}: {}", Foreign::name(field), Foreign::message(reason))?;
        }
        if fields.len() > SHOWN {
            write!(f, "\n  and {} more", fields.len() - SHOWN)?;
        }
        match status {
            401 => write!(
                f,
                "\n  help: the token is not accepted; get a new one, or leave it out and run this as the user of the control plane, \
                 on its own host"
            ),
            404 if title.ends_with("Mesh") => {
                write!(f, "\n  help: `meshtcp get meshes` lists the meshes that there are")
            }
            403 => write!(
                f,
                "\n  help: name a token that may do this with --token-file, or in the context; or run this as the user of the \
                 control plane, on its own host"
            ),
            _ => Ok(()),
        }
    }
}

impl Failed {
    /// Refusal of the server, from the body of its response.
    pub(super) fn refused(
        (whom, server): (ServerKind, &str),
        status: u16,
        body: Option<&Value>,
        text: &str,
    ) -> Self {
        let member = |key: &str| {
            body.and_then(|body| body.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let title = member("title");
        if title.is_empty() {
            let first = text.lines().next().unwrap_or_default();
            return Self::Strange {
                whom,
                server: server.to_owned(),
                why: format!("it answers {status} {}", Foreign::name(first)).trim().to_owned(),
            };
        }
        let detail =
            [member("detail"), member("details")].into_iter().find(|it| !it.is_empty()).unwrap_or_default();
        let parameters = body.and_then(|body| body.get("invalid_parameters")).and_then(Value::as_array);
        let field = |it: &Value| {
            let text = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("field"), text("reason"))
        };
        let fields = parameters.into_iter().flatten().map(field).collect();
        Self::Refused(Refusal { status, title, detail, fields })
    }

    /// Error that the server there has no REST API.
    pub(super) fn no_control_plane(server: &str) -> Self {
        let whom = ServerKind::ControlPlane;
        Self::Strange { whom, server: server.to_owned(), why: "it does not list its resources".to_owned() }
    }

    /// Reports the reason, and returns the exit status.
    pub(crate) fn said(&self) -> Exit {
        complain(&format!("error: {self}\n"));
        self.exit()
    }

    /// Exit status for the error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) => Exit::Problems,
            Self::Unreachable { .. } | Self::Distrusted { .. } | Self::Strange { .. } => Exit::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_no_is_told_with_its_fields() {
        let body = json!({"title": "Could not process a resource", "detail": "Resource is not valid",
            "invalid_parameters": [{"field": "spec.to", "reason": "needs at least one item"}]});
        let failed = Failed::refused((ServerKind::ControlPlane, "http://cp"), 400, Some(&body), "");
        assert_eq!(
            failed.to_string(),
            "Could not process a resource: Resource is not valid\n  spec.to: needs at least one item"
        );
        assert_eq!(failed.exit(), Exit::Problems);
        assert_eq!(
            Failed::refused((ServerKind::ControlPlane, "http://cp"), 502, None, "Bad Gateway\n").exit(),
            Exit::Unreachable
        );
    }
}
