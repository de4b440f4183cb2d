//! `meshtcp check`: health of a running system, as far as it can be seen from here, with advice.

mod control_plane;
mod finding;
mod host;
mod proxy;

use jiff::Timestamp;

use crate::client::{Client, Failed};
use crate::context::Server;
use crate::exit::Exit;
use crate::output::{self, Format};
use finding::{Finding, Level};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: Server,
    /// The admin address of a running `meshtcp up` or `meshtcp proxy`, to look at it too; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    proxy_admin: Vec<String>,
    /// Only look at the proxies and at this host: there is no control plane
    #[arg(long)]
    no_control_plane: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(Args { server, proxy_admin, no_control_plane, output: format }: Args) -> Exit {
    let client = match no_control_plane {
        true => None,
        false => match server.client() {
            Ok(client) => Some(client),
            Err(exit) => return exit,
        },
    };
    let (findings, unreachable) = findings(client.as_ref(), &proxy_admin);
    let is_bad = findings.iter().any(|finding| finding.level == Level::Fail);
    output::print_as(format, &findings, || finding::table(&findings));
    match (unreachable, is_bad) {
        (true, _) => Exit::Unreachable,
        (false, true) => Exit::Problems,
        (false, false) => Exit::Ok,
    }
}

/// Findings about everything, and `true` if a control plane or proxy could not be reached.
pub(crate) fn findings(client: Option<&Client>, proxies: &[String]) -> (Vec<Finding>, bool) {
    let mut findings = Vec::new();
    let mut unreachable = client.is_some_and(|client| ask(client, &mut findings).is_err());
    for address in proxies {
        let looked = Client::of_admin(address).get("/status").map(Option::unwrap_or_default);
        match looked {
            Ok(status) => findings.extend(proxy::look(address, &status)),
            Err(failed) => {
                unreachable = true;
                findings.push(Finding::failed(format!("proxy {address}"), &failed));
            }
        }
    }
    findings.extend(host::look());
    (findings, unreachable)
}

/// Examines a control plane and its knowledge. A question that it does not answer is a finding, too.
fn ask(client: &Client, findings: &mut Vec<Finding>) -> Result<(), Failed> {
    let index = match client.timed("/").and_then(|found| found.ok_or_else(|| client.is_none())) {
        Ok(index) => index,
        Err(failed) => {
            findings.push(Finding::failed("control plane", &failed));
            return Err(failed);
        }
    };
    let now = Timestamp::now();
    findings.extend(control_plane::reached(&index, now));
    findings.extend(client.certificate().map(|facts| control_plane::own_certificate(&facts, now)));
    // each of them may be denied to this user, or be unknown to an older control plane
    let mut look = |what: &str, found: Result<Vec<Finding>, Failed>| match found {
        Ok(found) => findings.extend(found),
        Err(failed) => findings.push(Finding::failed(what, &failed)),
    };
    let store = client.timed("/meshes?size=1").map(|found| found.iter().map(control_plane::store).collect());
    look("store", store);
    let certificates = client.certificates("");
    look("certificates", certificates.map(|report| control_plane::certificates(&report)));
    // the report lists proxies that have problems, and counts all of them
    let fleet = client.report("&what=proxies");
    look("proxies", fleet.map(|report| control_plane::fleet(&report)));
    Ok(())
}
