//! REST API beside discovery: its flags, and the facts about the process that it shows.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use control::api::{MirrorStore, Role, Setup};
use control::certificate::Certificate;
use control::discovery::TokenGate;
use control::identity::Tokens;
use control::store::Store;
use serde_json::{Value, json};

use super::Args;
use super::resources::Resources;
use crate::host;
use crate::listen;
use crate::pages::HostNames;

/// Default address of the API.
pub(super) const DEFAULT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5681));

/// How the API is served.
#[derive(Debug, clap::Args)]
pub(super) struct ApiArgs {
    /// Serve the REST API here (port 0: any); default: 127.0.0.1:5681 if nobody else listens there
    #[arg(long = "api", value_name = "ADDR", value_parser = listen::address, env = "MESHTCP_API")]
    address: Option<SocketAddr>,
    /// Serve the API over TLS with this certificate and its chain, in PEM
    #[arg(long = "api-tls-cert", value_name = "FILE", requires = "key", env = "MESHTCP_API_TLS_CERT")]
    certificate: Option<PathBuf>,
    /// The key of --api-tls-cert, in PEM
    #[arg(long = "api-tls-key", value_name = "FILE", requires = "certificate", env = "MESHTCP_API_TLS_KEY")]
    key: Option<PathBuf>,
    /// What callers of the API may do who bring no token
    #[arg(long = "api-anonymous", value_enum, default_value_t, value_name = "ROLE")]
    anonymous: Anonymous,
    /// What callers may do who bring no token and connect from this host: also whoever reaches a reverse proxy, a TCP forwarder
    /// or an inbound here that leads to the API. Commands on this host use a socket, and are not meant; default: reader, and
    /// with --api-product Kuma admin, as there
    #[arg(long = "api-localhost", value_enum, value_name = "ROLE", env = "MESHTCP_API_LOCALHOST")]
    localhost: Option<Localhost>,
    #[command(flatten)]
    names: HostNames,
    /// What `GET /` says this is; kumactl insists on Kuma, unless the version contains `preview`. As Kuma, this is the zone
    /// `default` unless --zone names another
    #[arg(long = "api-product", value_name = "NAME", default_value = "meshtcp")]
    product: String,
    /// The version that `GET /` says
    #[arg(long = "api-version", value_name = "VERSION", default_value = concat!(env!("CARGO_PKG_VERSION"), "-preview"))]
    version: String,
    /// What a proxy has to bring to attach
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", env = "MESHTCP_DATAPLANE_AUTH")]
    dataplane_auth: DataplaneAuth,
}

/// What a proxy has to bring to attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DataplaneAuth {
    /// Nothing: it says its name
    #[default]
    None,
    /// A dataplane token that is for it
    Token,
}

/// What callers may do who bring no token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Anonymous {
    /// Nothing but ask what this is
    #[default]
    Nobody,
    /// Read everything but secrets
    Reader,
    /// Change everything but secrets
    Writer,
}

/// What callers may do who bring no token and connect from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Localhost {
    /// What --api-anonymous says
    Nobody,
    /// Read everything but secrets
    Reader,
    /// Change everything but secrets
    Writer,
    /// Everything, as a control plane of Kuma lets them
    Admin,
}

impl From<Localhost> for Role {
    fn from(localhost: Localhost) -> Self {
        match localhost {
            Localhost::Nobody => Role::Nobody,
            Localhost::Reader => Role::Reader,
            Localhost::Writer => Role::Writer,
            Localhost::Admin => Role::Admin,
        }
    }
}

impl ApiArgs {
    /// Role of a connection from this host without a token.
    pub(super) fn localhost(&self) -> Role {
        match self.localhost {
            Some(role) => role.into(),
            // clients that expect Kuma rely on it
            None if self.is_kuma() => Role::Admin,
            None => Role::Reader,
        }
    }

    /// Returns `true` if its clients take it for a control plane of Kuma.
    pub(super) fn is_kuma(&self) -> bool {
        self.product == "Kuma"
    }

    /// Returns `true` if proxies must present a token.
    pub(super) fn wants_tokens(&self) -> bool {
        self.dataplane_auth == DataplaneAuth::Token
    }

    /// TLS certificate; `None`: there is none.
    ///
    /// # Errors
    /// Reason in words: it is unusable.
    fn tls(&self) -> Result<Option<Certificate>, String> {
        super::certificate("api", self.certificate.as_ref(), self.key.as_ref())
    }

    /// Scheme of its URL.
    fn scheme(&self) -> &'static str {
        if self.certificate.is_some() { "https" } else { "http" }
    }
}

/// Settings of the API from the process' arguments.
fn setup(arguments: &Args, resources: &Resources) -> Setup {
    let ApiArgs { anonymous, names, product, version, .. } = &arguments.api;
    let hostname = host::name().unwrap_or_else(|| "localhost".to_owned());
    Setup {
        rules: model::draft::Options {
            zone: arguments.zone().map(Into::into),
            ..arguments.resources.rules.options()
        },
        vips: arguments.resources.rules.vips.ranges(),
        read_only: resources.store().is_none(),
        product: product.clone(),
        version: version.clone(),
        instance: format!("{hostname}-{}", std::process::id()),
        hostname,
        anonymous: match anonymous {
            Anonymous::Nobody => Role::Nobody,
            Anonymous::Reader => Role::Reader,
            Anonymous::Writer => Role::Writer,
        },
        localhost: arguments.api.localhost(),
        known_as: names.known_as(),
        config: config(arguments, resources),
        ..Setup::default()
    }
}

/// Configuration of the process, in the form in which Kuma's own programs look for it.
fn config(arguments: &Args, resources: &Resources) -> Value {
    let api = &arguments.api;
    json!({
        "mode": "zone",
        "environment": "universal",
        "store": { "type": resources.kind(), "place": resources.in_words() },
        "multizone": { "zone": { "name": arguments.zone().unwrap_or("default") } },
        "apiServer": {
            "readOnly": resources.store().is_none(),
            "address": api.address.unwrap_or(DEFAULT).to_string(),
            "tls": api.certificate.is_some(),
            "authn": { "localhostIsAdmin": api.localhost() == Role::Admin },
        },
        "dpServer": {
            "address": arguments.xds.to_string(),
            "tls": arguments.xds_tls_cert.is_some(),
            "authn": { "dpProxy": { "type": if api.wants_tokens() { "dpToken" } else { "none" } } },
        },
        "meshtcp": {
            "version": env!("CARGO_PKG_VERSION"),
            "profile": arguments.resources.rules.profile.as_str(),
            "envoySplit": arguments.envoy_split.as_str(),
            "mesh": arguments.mesh,
        },
    })
}

/// Everything that is needed to serve the API.
pub(super) struct Plan {
    /// Listen address; `None`: none was requested.
    pub(super) address: Option<SocketAddr>,
    pub(super) scheme: &'static str,
    pub(super) tls: Option<Certificate>,
    pub(super) setup: Setup,
    /// Store that it shows, and changes unless it is read only.
    pub(super) store: Arc<dyn Store>,
    /// Check of the tokens of proxies; `None`: none is required.
    pub(super) gate: Option<TokenGate>,
}

impl Plan {
    /// Plans the API from the arguments and the resources.
    ///
    /// # Errors
    /// Reason in words: a file is unusable.
    pub(super) fn of(arguments: &Args, resources: &Resources, mirror: &MirrorStore) -> Result<Self, String> {
        let api = &arguments.api;
        let (store, tokens) = match resources.store() {
            Some(store) => (Arc::clone(store), Tokens::new(Arc::clone(store))),
            None => (mirror.store(), Tokens::with_keys_as_they_are(mirror.store())),
        };
        Ok(Self {
            address: api.address,
            scheme: api.scheme(),
            tls: api.tls()?,
            setup: setup(arguments, resources),
            store,
            gate: api.wants_tokens().then(|| TokenGate::new(tokens)),
        })
    }
}
