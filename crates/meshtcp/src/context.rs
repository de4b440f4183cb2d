//! Choice of the control plane: contexts in a file, and the flags that override them.

mod file;

use std::ffi::OsStr;
use std::path::PathBuf;

use axum::http::uri::Authority;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::address::ControlPlane;
use crate::candidates::candidates;
use crate::client::Client;
use crate::exit::Exit;
use crate::names;
use crate::output::complain;

pub(crate) use file::{Context, Contexts, place};

/// URL of the control plane where nothing else is configured.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:5681";

/// Which control plane.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Server {
    /// The context to use, instead of the current one (see `meshtcp config`)
    #[arg(long, value_name = "NAME", env = "MESHTCP_CONTEXT", add = ArgValueCompleter::new(fitting))]
    pub(crate) context: Option<String>,
    /// The REST API of a control plane, e.g. http://127.0.0.1:5681, or unix:PATH for its socket, instead of the context's
    #[arg(long, value_name = "URL", value_parser = url, env = "MESHTCP_SERVER")]
    pub(crate) server: Option<String>,
    /// A file with the token of a user, instead of the context's
    #[arg(long, value_name = "FILE", env = "MESHTCP_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A file with the certificates that the control plane's is signed by, instead of the context's
    #[arg(long, value_name = "FILE", env = "MESHTCP_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Server {
    /// Context that the flags and the file yield together.
    ///
    /// # Errors
    /// Exit status, after the reason was reported: the file cannot be read, or has no such context.
    pub(crate) fn resolved(&self) -> Result<Context, Exit> {
        let Self { context: wanted, server, token_file, ca_file } = self;
        let contexts = Contexts::read().map_err(|why| {
            complain(&format!("error: {why}\n"));
            Exit::Environment
        })?;
        let mut context = match wanted.as_ref().or(contexts.current.as_ref()) {
            None => Context::default(),
            // a URL on the command line needs no context, but may use the token of an explicitly chosen one
            Some(_) if server.is_some() && wanted.is_none() => Context::default(),
            Some(name) => match contexts.named(name) {
                Some(found) => found.clone(),
                None => {
                    let known: Vec<&str> = contexts.contexts.iter().map(|it| it.name.as_str()).collect();
                    let help = match known.as_slice() {
                        [] => "there is none yet: meshtcp config set NAME --server URL".to_owned(),
                        known => format!("there are {}", known.join(", ")),
                    };
                    complain(&format!("error: there is no context {name}\n  help: {help}\n"));
                    return Err(Exit::Problems);
                }
            },
        };
        if let Some(server) = server {
            context.server.clone_from(server);
        }
        if let Some(path) = token_file {
            context.token = None;
            context.token_file = Some(path.clone());
        }
        if let Some(path) = ca_file {
            context.ca_file = Some(path.clone());
        }
        Ok(context)
    }

    /// Creates a client of that control plane.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn client(&self) -> Result<Client, Exit> {
        Client::of(&self.resolved()?).map_err(|why| {
            complain(&format!("error: {why}\n"));
            Exit::Environment
        })
    }

    /// Creates a client of that control plane; with it the mesh that a command speaks about.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn client_in(&self, mesh: &InMesh) -> Result<(Client, String), Exit> {
        let mesh = mesh.or_of(&self.resolved()?);
        Ok((self.client()?, mesh))
    }
}

/// Names of contexts that begin with the typed text.
fn fitting(current: &OsStr) -> Vec<CompletionCandidate> {
    let contexts = Contexts::read().unwrap_or_default();
    candidates(contexts.contexts.iter().map(|context| context.name.as_str()), current)
}

/// Parses the URL of a REST API; `HOST:PORT` alone means `http://HOST:PORT`, and the path of a socket is made absolute.
pub(crate) fn url(text: &str) -> Result<String, String> {
    let wrong = || {
        "this is no URL of a control plane: write http://HOST:PORT, https://HOST:PORT or unix:PATH".to_owned()
    };
    if let Some(path) = text.strip_prefix("unix:") {
        let path = std::path::absolute(path).map_err(|_| wrong())?;
        return Ok(format!("unix:{}", path.display()));
    }
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if names_a_host(rest) => Ok(text.to_owned()),
        Some(_) => Err(wrong()),
        None => text.parse::<ControlPlane>().map(|address| address.to_string()).map_err(|_| wrong()),
    }
}

/// True if what follows the scheme of a URL begins with a host that there may be, and with a port if it names one.
fn names_a_host(rest: &str) -> bool {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    let is_port = |port: &str| port.is_empty() || authority.port_u16().is_some();
    !authority.host().is_empty() && port.is_some_and(is_port) && !path.contains(['?', '#'])
}

/// Which mesh, on commands that speak about one.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InMesh {
    /// The mesh; default: the context's, or `default`
    #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
    pub(crate) mesh: Option<String>,
}

impl InMesh {
    pub(crate) fn or_of(&self, context: &Context) -> String {
        self.mesh.clone().or_else(|| context.mesh.clone()).unwrap_or_else(|| "default".to_owned())
    }
}
