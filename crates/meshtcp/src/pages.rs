//! Common pages of admin servers: `up`, `proxy` and `control-plane` answer in the same way.

mod metrics;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use control::door::serve_pages;
use control::sources::SourceState;
use control::web::KnownAs;
use plan::{Plan, ProxyId, plan_json};
use proxy::{ConnectionInfo, TlsInfo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::data_path::DataPath;
use crate::host;

pub(crate) use metrics::{metrics, open_metrics};

/// The names of this host, on every command that serves pages.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct HostNames {
    /// Also answer requests for this host name (header `Host`), beside IP addresses, localhost and the host's own name: other
    /// names may be those of web pages; may be repeated
    #[arg(long = "host-name", value_name = "NAME", value_delimiter = ',', env = "MESHTCP_HOST_NAME")]
    names: Vec<String>,
}

impl HostNames {
    /// Names of the server, including the default ones.
    pub(crate) fn known_as(&self) -> KnownAs {
        KnownAs::new(self.names.iter().cloned().chain(host::name()))
    }
}

/// Serves until the process ends. Requests for other hosts are refused, since they come from pages in a browser.
pub(crate) async fn serve(listener: TcpListener, router: Router, known_as: KnownAs) {
    let known_as = Arc::new(known_as);
    let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let admitted = known_as.admits(request.headers());
        async move {
            match admitted {
                Ok(()) => next.run(request).await,
                Err(stranger) => (StatusCode::FORBIDDEN, format!("{stranger}\n")).into_response(),
            }
        }
    }));
    serve_pages(listener, router).await;
}

/// Response with a tree as indented JSON.
pub(crate) fn body(tree: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{tree:#}\n")).into_response()
}

/// `/ready`: readiness, or the reason why not.
pub(crate) fn ready(unready: Option<&str>) -> Response {
    match unready {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

/// `/plan?proxy=MESH/NAME`: the plan of a proxy, or the list of proxies.
pub(crate) fn plan(
    plans: &BTreeMap<ProxyId, Arc<Plan>>,
    wanted: &str,
    more: impl FnOnce(&ProxyId, &mut Value),
) -> Response {
    match wanted.parse().ok().and_then(|key: ProxyId| plans.get_key_value(&key)) {
        Some((key, plan)) => {
            let mut tree = plan_json(plan);
            more(key, &mut tree);
            body(&tree)
        }
        None => {
            let known: Vec<String> = plans.keys().map(ToString::to_string).collect();
            let error = json!({ "error": format!("there is no proxy {wanted} here"), "proxies": known });
            (StatusCode::NOT_FOUND, body(&error)).into_response()
        }
    }
}

/// Plan as a list entry: routes that decide nothing at its proxy are only counted, since every proxy has all routes of
/// its mesh.
pub(crate) fn in_list(plan: &Plan) -> Value {
    let mut tree = plan_json(plan);
    if let Some(Value::Array(routes)) = tree.get_mut("routes") {
        let all = routes.len();
        routes.retain(|route| route["outcome"] != "ignored");
        let ignored = all - routes.len();
        tree["routesIgnored"] = ignored.into();
    }
    tree
}

/// State of a file in words.
pub(crate) fn state_in_words(state: SourceState) -> &'static str {
    match state {
        SourceState::Current => "current",
        SourceState::LastGood => "last-good",
        SourceState::Nothing => "nothing",
    }
}

/// `files` of `/status`.
pub(crate) fn files(states: &[(Arc<str>, SourceState)]) -> Vec<Value> {
    let file =
        |(file, state): &(Arc<str>, SourceState)| json!({ "file": file, "inForce": state_in_words(*state) });
    states.iter().map(file).collect()
}

/// `/connections`: open connections.
pub(crate) async fn connections(data_path: Arc<DataPath>) -> Response {
    // listing them waits for every worker
    let listed = tokio::task::spawn_blocking(move || data_path.connections()).await.unwrap_or_default();
    body(&listed.iter().map(connection).collect::<Vec<_>>().into())
}

/// TLS facts of one end of a connection as a tree.
fn tls(TlsInfo { version, peer_uris }: &TlsInfo) -> Value {
    json!({ "version": version.as_str(), "peerUris": peer_uris })
}

/// Open connection as a tree.
fn connection(info: &ConnectionInfo) -> Value {
    let ConnectionInfo {
        id,
        proxy,
        listener,
        destination,
        client,
        server_name,
        client_tls,
        backend_tls,
        origin,
        first_backend,
        backend,
        cluster,
        endpoint,
        draw,
        mirror,
        generation,
        connected,
        age,
        bytes_from_client,
        bytes_to_client,
        direct,
    } = info;
    let origin = origin.as_ref();
    // bytes of a connection in the kernel are known when it ends
    let counted = |bytes: &u64| direct.as_ref().is_none_or(|direct| direct.counts).then_some(*bytes);
    json!({
        "id": id,
        "proxy": proxy.as_str(),
        "listener": listener,
        "destination": destination,
        "client": client.to_string(),
        "serverName": server_name,
        "clientTls": client_tls.as_ref().map(tls),
        "backendTls": backend_tls.as_ref().map(tls),
        "policy": origin.map(|it| format!("{} {}/{}", it.kind, it.mesh, it.name)),
        "rule": origin.map(|it| &it.rule),
        "firstBackend": first_backend,
        "backend": backend,
        "cluster": cluster,
        "endpoint": endpoint.map(|address| address.to_string()),
        "draw": draw.map(|draw| draw.to_string()),
        "mirror": mirror,
        "generation": generation,
        "connected": connected,
        "ageSeconds": age.as_secs_f64(),
        "bytesFromClient": counted(bytes_from_client),
        "bytesToClient": counted(bytes_to_client),
        "path": if direct.is_some() { "kernel" } else { "relay" },
        "pid": direct.as_ref().map(|it| it.process),
        "command": direct.as_ref().map(|it| &it.command),
    })
}
