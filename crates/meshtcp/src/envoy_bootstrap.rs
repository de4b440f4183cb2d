//! `meshtcp envoy-bootstrap`: bootstrap file of an Envoy that attaches to a control plane.

pub(crate) mod fixed;

use std::path::{Path, PathBuf};

use control::plain_file;
use dialect::envoy::bootstrap::{Admin, Bootstrap, Certificates, Node};
use plan::ProxyId;
use serde_json::{Value, json};
use xds::proto::discovery::PROXY_SORT;

use crate::address::ControlPlane;
use crate::exit::Exit;
use crate::names::StandsFor;
use crate::output::{self, Format, complain, print};
use crate::trust::Trusted;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    stands_for: StandsFor,
    /// Where the control plane takes proxies, https://HOST:PORT for one that speaks TLS; several control planes that share a
    /// store are separated by commas, or the flag is given again: Envoy follows one of them, and another when it is lost
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:5678")]
    control_plane: Vec<ControlPlane>,
    /// Put the certificates in this file, which the control plane's is signed by, into what is printed; default: Envoy
    /// reads those that this system trusts
    #[arg(long, value_name = "FILE", env = "MESHTCP_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Put the dataplane token in this file into what is printed, which is a secret then
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How configuration travels
    #[arg(long, value_enum, default_value_t, value_name = "PROTOCOL")]
    protocol: Protocol,
    /// Where Envoy's own admin pages are, on 127.0.0.1 (0: any port)
    #[arg(long, value_name = "PORT", default_value_t = 9901)]
    admin_port: u16,
}

/// How configuration travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// Only what changed
    #[default]
    Delta,
    /// Always all of a type
    Sotw,
}

impl From<Protocol> for dialect::envoy::bootstrap::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Delta => Self::Delta,
            Protocol::Sotw => Self::StateOfTheWorld,
        }
    }
}

/// Comment above the bootstrap.
const HEADER: &str = "# Start Envoy with: envoy -c FILE --disable-hot-restart\n";
const PLAINTEXT: &str = "\
# The way to the control plane is not encrypted: keep it on a host or a network that you trust, or write https://.
";

pub(crate) fn run(
    Args { stands_for, control_plane: control_planes, ca_file, token_file, protocol, admin_port }: Args,
) -> Exit {
    let refuse = |message: &str| {
        complain(&format!("error: {message}\n"));
        Exit::Environment
    };
    let proxy = match stands_for.proxy() {
        Ok(proxy) => proxy,
        Err(message) => {
            complain(&format!("error: {message}\n"));
            return Exit::Usage;
        }
    };
    let over_tls = control_planes.iter().filter(|it| it.tls).count();
    if over_tls > 0 && over_tls < control_planes.len() {
        complain("error: either all control planes are https://, or none: Envoy reaches all in one way\n");
        return Exit::Usage;
    }
    let trusted = match (over_tls > 0).then(|| trusted(ca_file.as_deref())).transpose() {
        Ok(trusted) => trusted,
        Err(message) => return refuse(&message),
    };
    if token_file.is_some()
        && let Some(message) = control_planes.iter().find_map(|it| it.keeps_tokens_secret().err())
    {
        return refuse(&message);
    }
    let token = match token_file.map(|file| (plain_file::text_named(&file), file)) {
        None => None,
        Some((Ok(token), _)) => Some(token.trim().to_owned()),
        Some((Err(error), file)) => return refuse(&format!("--token-file {}: {error}", file.display())),
    };
    let bootstrap = Bootstrap {
        node: node(&proxy),
        admin: Admin::Port(admin_port),
        control_planes: control_planes.into_iter().map(|it| (it.host, it.port)).collect(),
        protocol: protocol.into(),
        trusted,
        token,
        access_log: None,
        is_gateway: false,
    };
    print(HEADER);
    if over_tls == 0 {
        print(PLAINTEXT);
    }
    print(&output::structured(Format::Yaml, &bootstrap.tree()).unwrap_or_default());
    Exit::Ok
}

/// Authorities that Envoy trusts: those of a file, which may exist on this host only, or else those of the system.
fn trusted(ca_file: Option<&Path>) -> Result<Certificates, String> {
    let Trusted { file, pem } = Trusted::read(ca_file)?;
    Ok(match ca_file {
        Some(_) => Certificates::Inline(pem),
        None => Certificates::File(file),
    })
}

/// Node that the Envoy of a proxy identifies itself as.
pub(crate) fn node(proxy: &ProxyId) -> Node {
    let metadata = match proxy.as_dataplane() {
        Some(_) => Value::Null,
        None => json!({ PROXY_SORT: proxy.sort() }),
    };
    Node { id: proxy.node_id(), cluster: proxy.name().as_str().to_owned(), metadata }
}
