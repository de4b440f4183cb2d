//! Bootstrap of an Envoy for its kuma-dp: `POST /bootstrap`, at the port that proxies attach to (spec 10 §A.2).
//!
//! ```text
//!  kuma-dp ─▶ Request ─▶ token? host? a Dataplane, stored or brought? ─▶ dialect's Bootstrap ─▶ Envoy ⇢ discovery
//! ```
//!
//! Nothing is stored and no token is verified: both happen when the Envoy attaches. A kuma-dp gives up for good upon
//! every refusal but 404 and 5xx, so whatever can heal by itself is one of these.

mod metadata;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dialect::envoy::bootstrap::{Admin, Bootstrap, Certificates, Protocol};
use model::topology::{Dataplane, GatewayType};
use model::{Kind, Resource, ResourceKey, Spec};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::arrivals::{Arrivals, NotTaken};
use crate::certificate::Certificate;
use crate::run::Current;
use crate::store::StoreError;
use crate::yaml;
use request::{Request, Role};

/// Limit on the size of a request, in bytes: a Dataplane and a few certificates fit many times.
const BODY_BYTES: usize = 1024 * 1024;
/// Limit on the time that a request takes to arrive. A kuma-dp waits 10 s for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

const NO_TOKEN: &str = "Dataplane Token is required. Generate token using 'kumactl generate dataplane-token > /path/file' and \
    provide it via --dataplane-token-file=/path/file argument to Kuma DP";
const OUTBOUNDS: &str = "outbound: should be empty since dataplane is in Transparent Proxying mode";

/// State from which bootstraps are made. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Bootstraps {
    /// Stored Dataplanes, and those that proxies bring.
    pub arrivals: Arrivals,
    /// Configuration in force: before the first state the meshes are unknown.
    pub current: watch::Receiver<Arc<Current>>,
    /// `true`: proxies must bring a token.
    pub wants_tokens: bool,
    /// Certificate of the port for proxies; `None`: plaintext.
    pub certificate: Option<Certificate>,
}

/// Reason for refusing a bootstrap.
#[derive(Debug)]
enum Refusal {
    /// The request cannot be parsed.
    Unreadable,
    /// The request can never be answered as it is; described in words.
    Unfit(StatusCode, String),
    /// The proxy does not exist yet.
    NotYet,
    /// It is temporarily impossible.
    Later(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = |status: StatusCode, text: String| {
            (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        };
        match self {
            Self::Unreadable => StatusCode::BAD_REQUEST.into_response(),
            Self::Unfit(status, why) => text(status, why),
            Self::NotYet => StatusCode::NOT_FOUND.into_response(),
            Self::Later(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

impl From<NotTaken> for Refusal {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Store(error) => error.into(),
            other => Self::Unfit(StatusCode::UNPROCESSABLE_ENTITY, other.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a proxy asks how to start, and cannot be told");
        Self::Later("the control plane cannot read its resources now: try again".to_owned())
    }
}

/// Answers one request.
pub(crate) async fn answer(State(bootstraps): State<Bootstraps>, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(PATIENCE, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => return Refusal::Unreadable.into_response(),
    };
    let asked = (head.method == Method::POST).then(|| serde_json::from_slice(&body).ok()).flatten();
    let Some(asked) = asked else { return Refusal::Unreadable.into_response() };
    let host = head.uri.authority().map(|it| it.as_str().to_owned());
    let host = host.or_else(|| Some(head.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
    match bootstraps.bootstrap(&asked, &host.unwrap_or_default()).await {
        Ok((tree, address)) => told(&head.headers, &tree, &address),
        Err(refusal) => {
            tracing::info!(
                mesh = asked.mesh,
                name = asked.name,
                ?refusal,
                "a proxy is not told how to start"
            );
            refusal.into_response()
        }
    }
}

/// Renders the answer in JSON with what kuma-dp itself needs; the bare bootstrap for clients that do not accept JSON.
fn told(headers: &HeaderMap, tree: &Value, address: &str) -> Response {
    let text = yaml::document(tree);
    let accepts = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !accepts.contains("application/json") {
        return ([(header::CONTENT_TYPE, "text/x-yaml")], text).into_response();
    }
    axum::Json(json!({
        "bootstrap": STANDARD.encode(text),
        "kumaSidecarConfiguration": {
            "networking": { "address": address, "corefileTemplate": null },
            "metrics": { "aggregate": [] },
        },
    }))
    .into_response()
}

impl Bootstraps {
    /// Returns the bootstrap for a request to `host`, and the address of its proxy, which is empty for a zone proxy.
    async fn bootstrap(&self, asked: &Request, host: &str) -> Result<(Value, String), Refusal> {
        let unfit = |why: String| Refusal::Unfit(StatusCode::UNPROCESSABLE_ENTITY, why);
        if self.wants_tokens && asked.dataplane_token.is_empty() && asked.dataplane_token_path.is_empty() {
            return Err(unfit(NO_TOKEN.to_owned()));
        }
        let (host, port) = split(host, self.certificate.is_some()).ok_or(Refusal::Unreadable)?;
        let trusted = self.trusted(asked, &host)?;
        if self.current.borrow().adopted.is_none() {
            return Err(Refusal::Later("the control plane is starting: try again".to_owned()));
        }
        let role = Role::read(&asked.proxy_type)
            .ok_or_else(|| unfit(format!("proxyType: {:?} is no type of proxy", asked.proxy_type)))?;
        let (resource, document) = self.resource(asked, role).await?;
        let dataplane = match resource.spec() {
            Spec::Dataplane(dataplane) => Some(dataplane),
            _ => None,
        };
        if asked.dataplane_config.is_some() && dataplane.is_some_and(|it| !it.outbound.is_empty()) {
            return Err(unfit(OUTBOUNDS.to_owned()));
        }
        let socket = asked.admin_socket();
        let port_of_admin = document["networking"]["admin"]["port"].as_u64();
        let port_of_admin = port_of_admin.and_then(|port| u16::try_from(port).ok()).unwrap_or(9901);
        let token = asked.dataplane_token.trim();
        let bootstrap = Bootstrap {
            node: metadata::node(asked, role, &resource, port_of_admin),
            admin: socket.map_or(Admin::Port(port_of_admin), Admin::Socket),
            control_planes: vec![(host, port)],
            protocol: Protocol::Delta,
            trusted,
            token: (!token.is_empty()).then(|| token.to_owned()),
            access_log: Some(asked.access_log_socket(&resource)),
            is_gateway: dataplane.is_some_and(is_builtin_gateway),
        };
        let address = dataplane.map(|it| it.address.clone()).unwrap_or_default();
        Ok((bootstrap.tree(), address))
    }

    /// Returns the resource of the proxy: as it brings it, or as it is stored.
    async fn resource(&self, asked: &Request, role: Role) -> Result<(Resource, Value), Refusal> {
        if !asked.dataplane_resource.is_empty() {
            let brought = self.arrivals.read(&asked.dataplane_resource)?;
            self.arrivals.has_place(&brought).await?;
            return Ok((brought.resource, brought.document));
        }
        let kind = match role {
            Role::Dataplane => Kind::Dataplane,
            Role::Ingress => Kind::ZoneIngress,
            Role::Egress => Kind::ZoneEgress,
        };
        let key = ResourceKey::new(kind, asked.mesh.as_str(), asked.name.as_str());
        let stored = self.arrivals.stored(&key).await?.ok_or(Refusal::NotYet)?;
        let brought = self.arrivals.read(&stored.document.to_string())?;
        Ok((brought.resource, brought.document))
    }

    /// Returns the certificates that Envoy trusts; `None`: the port is plaintext.
    fn trusted(&self, asked: &Request, host: &str) -> Result<Option<Certificates>, Refusal> {
        let Some(certificate) = &self.certificate else { return Ok(None) };
        let unfit = |why: String| Refusal::Unfit(StatusCode::BAD_REQUEST, why);
        if !certificate.names_host(host) {
            return Err(unfit(not_our_name(host, &certificate.names())));
        }
        let pem = match asked.ca_cert.trim() {
            "" => certificate.signer().ok_or_else(|| {
                unfit(
                    "the control plane cannot say who signed its certificate: start kuma-dp with --ca-cert-file, the certificate of \
                     who did"
                        .to_owned(),
                )
            })?,
            given => format!("{given}\n"),
        };
        Ok(Some(Certificates::Inline(pem.into_bytes())))
    }
}

/// Describes the refusal for a kuma-dp that dials a name that is not in the certificate.
fn not_our_name(host: &str, names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!(
        "A data plane proxy is trying to connect to the control plane using {host:?} address, but the certificate in the control \
         plane has the following SANs [{}]. Either change the --cp-address in kuma-dp to one of those, or give the control plane a \
         certificate with this name, with --xds-tls-cert and --xds-tls-key: files that are replaced are read again",
        names.join(" ")
    )
}

fn is_builtin_gateway(dataplane: &Dataplane) -> bool {
    dataplane.gateway.as_ref().is_some_and(|gateway| gateway.kind == GatewayType::Builtin)
}

/// Splits the host and port by which the control plane was asked, so that the Envoy dials what its kuma-dp dialled.
fn split(authority: &str, over_tls: bool) -> Option<(String, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, if over_tls { 443 } else { 80 }),
    };
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_dials_what_kuma_dp_dialled() {
        for (authority, host, port) in [
            ("cp.example:5678", "cp.example", 5678),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:5678", "::1", 5678),
            ("[::1]", "::1", 443),
            ("cp.example", "cp.example", 443),
        ] {
            assert_eq!(split(authority, true), Some((host.to_owned(), port)), "{authority}");
        }
        for wrong in ["", ":5678", "host:port", "host:99999"] {
            assert_eq!(split(wrong, true), None, "{wrong}");
        }
    }
}
