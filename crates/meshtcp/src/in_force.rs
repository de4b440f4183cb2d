//! Resources in force: read from a control plane, or from files that replace it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use change::compile::without_kind;
use change::preview::{LiveConnection, LiveConnections, OpenConnections, State, stored};
use change::{Entry, Ledger};
use clap::ValueEnum as _;
use dialect::envoy::EnvoyOptions;
use model::kind::Scope;
use model::{Kind, ResourceKey};
use serde_json::Value;
use xds::Foreign;

use crate::client::Client;
use crate::context::{Context, InMesh, Server};
use crate::control_plane::Split;
use crate::exit::Exit;
use crate::output::complain;
use crate::source::Rules;

/// Where the state in force is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct InForce {
    /// Files and folders that are in force, instead of asking a control plane; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with_all = ["server", "context"])]
    pub(crate) against: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    mesh: InMesh,
    #[command(flatten)]
    pub(crate) rules: Rules,
}

/// Which running proxies to ask for their open connections.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Proxies {
    /// The admin address of a running `meshtcp up` or `meshtcp proxy`, to count open connections; may be repeated
    #[arg(long = "proxy-admin", value_name = "HOST:PORT")]
    proxy_admin: Vec<String>,
}

impl InForce {
    /// Mesh that the command is about; where files replace a control plane, no context selects it.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn mesh(&self) -> Result<String, Exit> {
        let context = if self.against.is_empty() { self.server.resolved()? } else { Context::default() };
        Ok(self.mesh.or_of(&context))
    }

    /// Reads all resources and plans every proxy.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn load(&self) -> Result<State, Exit> {
        self.load_telling(EnvoyOptions::default(), &[])
    }

    /// The same, with Envoys told in a certain way, and with the stored Secrets of those that are proposed.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn load_telling(&self, envoy: EnvoyOptions, proposed: &[Arc<Entry>]) -> Result<State, Exit> {
        let context = self.rules.context();
        let ledger = if self.against.is_empty() {
            self.asked(proposed)?
        } else {
            self.rules.load(&self.against, &self.mesh()?)?
        };
        Ok(State::of(ledger, &context, envoy))
    }

    /// Representation of splits for Envoys: that of the control plane; where files replace it, or it does not report
    /// any, the default.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn split(&self) -> Result<Split, Exit> {
        if !self.against.is_empty() {
            return Ok(Split::default());
        }
        let config =
            self.server.client()?.get("/config").map_err(|failed| failed.said())?.unwrap_or_default();
        let word = config.pointer("/meshtcp/envoySplit").and_then(Value::as_str);
        Ok(word.and_then(|word| Split::from_str(word, false).ok()).unwrap_or_default())
    }

    /// Place of the resources, in words.
    pub(crate) fn in_words(&self) -> &'static str {
        if self.against.is_empty() { "the control plane" } else { "these files" }
    }

    /// Like `load`, from these files if there are any.
    pub(crate) fn load_or(&self, paths: &[PathBuf]) -> Result<State, Exit> {
        match paths {
            [] => self.load(),
            paths => {
                let ledger = self.rules.load(paths, &self.mesh()?)?;
                Ok(State::of(ledger, &self.rules.context(), EnvoyOptions::default()))
            }
        }
    }

    fn asked(&self, proposed: &[Arc<Entry>]) -> Result<Ledger, Exit> {
        let client = self.server.client()?;
        let mut ledger = everything(&client, self.rules.profile).map_err(|failed| failed.said())?;
        for key in proposed.iter().map(|entry| entry.resource.key()).filter(|key| key.kind == Kind::Secret) {
            match client.get(&path(&key)) {
                Ok(found) => {
                    let found = found.and_then(|value| stored(value, self.rules.profile).ok());
                    found.into_iter().for_each(|entry| ledger.put(entry));
                }
                Err(_) => complain(&format!(
                    "warning: {key} cannot be read with these rights: it is shown as if there were none\n"
                )),
            }
        }
        Ok(ledger)
    }
}

/// All resources of a control plane, of the kinds that both sides know.
fn everything(client: &Client, profile: model::Profile) -> Result<Ledger, crate::client::Failed> {
    let served = client.kinds()?;
    let mut ledger = Ledger::default();
    for kind in Kind::ALL.iter().filter(|kind| served.contains(kind.plural())) {
        // secrets do not affect plans
        if *kind == Kind::Secret {
            continue;
        }
        for value in client.list(&format!("/{}", kind.plural()))? {
            match stored(value.clone(), profile) {
                Ok(entry) => ledger.put(entry),
                Err(problems) => {
                    let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
                    complain(&format!(
                        "warning: the stored {kind} {} is left out, it cannot be understood\n",
                        Foreign::name(name)
                    ));
                    let first = problems.first().map(|problem| format!("  {}\n", Foreign::message(problem)));
                    complain(&first.unwrap_or_default());
                }
            }
        }
    }
    Ok(ledger)
}

/// API path of a resource.
pub(crate) fn path(key: &ResourceKey) -> String {
    format!("{}/{}", collection(key.kind, key.mesh_or_empty()), key.name)
}

/// API path of all resources of a kind, in a mesh if the kind belongs to one.
pub(crate) fn collection(kind: Kind, mesh: &str) -> String {
    match kind.scope() {
        Scope::Mesh => format!("/meshes/{mesh}/{}", kind.plural()),
        Scope::Global => format!("/{}", kind.plural()),
    }
}

impl Proxies {
    /// Open connections of the named proxies.
    ///
    /// # Errors
    /// Exit status, after the reason was reported.
    pub(crate) fn live(&self) -> Result<OpenConnections, Exit> {
        let mut live: BTreeMap<(plan::ProxyId, String), LiveConnections> = BTreeMap::new();
        for address in &self.proxy_admin {
            let client = Client::of_admin(address);
            let found = client.get("/connections").map_err(|failed| failed.said())?.unwrap_or_default();
            for connection in found.as_array().into_iter().flatten() {
                let text = |key: &str| connection.get(key).and_then(Value::as_str).unwrap_or_default();
                let Ok(proxy) = text("proxy").parse() else { continue };
                let Ok(client) = text("client").parse() else { continue };
                let said = |key: &str| Some(text(key)).filter(|text| !text.is_empty());
                let counted = live.entry((proxy, text("listener").to_owned())).or_default();
                let uris = |uris: &Vec<Value>| {
                    uris.iter().filter_map(|uri| uri.as_str().map(str::to_owned)).collect()
                };
                counted.open.push(LiveConnection {
                    client,
                    server_name: said("serverName").map(str::to_owned),
                    peer: connection["clientTls"]["peerUris"].as_array().map(uris),
                    backend: without_kind(text("backend")),
                    first_backend: said("firstBackend").map(without_kind),
                    draw: u64::from_str_radix(text("draw"), 16).ok(),
                });
            }
        }
        Ok(live)
    }
}
