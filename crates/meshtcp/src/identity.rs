//! `meshtcp identity`: issued certificates, and their renewal on demand.

use change::certificates::{AuthorityRow, CertificateReport, CertificateRow, OutsideRow};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::client::encoded;
use crate::context::Server;
use crate::exit::Exit;
use crate::names;
use crate::output::{self, Format, complain, print, table};

/// Time before the end of a certificate at which a reminder to replace it appears.
pub(crate) const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show who has which certificate, until when, and who signs
    Status(Asked),
    /// Make new certificates now; open connections keep theirs
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
struct Asked {
    #[command(flatten)]
    server: Server,
    /// Only of this mesh
    #[arg(short, long, value_name = "MESH", value_parser = names::mesh)]
    mesh: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// Only of this proxy, as MESH/NAME
    #[arg(value_name = "PROXY")]
    proxy: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

pub(crate) fn run(Args { command }: Args) -> Exit {
    match command {
        Command::Status(Asked { server, mesh, output: format }) => {
            let query = mesh.map(|mesh| format!("?mesh={}", encoded(&mesh))).unwrap_or_default();
            match server.client().map(|client| client.certificates(&query)) {
                Ok(Ok(report)) => {
                    output::print_as(format, &report, || drawn(&report));
                    if is_well(&report) { Exit::Ok } else { Exit::Problems }
                }
                Ok(Err(failed)) => failed.said(),
                Err(exit) => exit,
            }
        }
        Command::Rotate(Rotate { proxy, asked: Asked { server, mesh, output: format } }) => {
            let query = match (proxy.as_deref().map(|proxy| proxy.split_once('/')), &mesh) {
                (None, None) => String::new(),
                (None, Some(mesh)) => format!("?mesh={}", encoded(mesh)),
                (Some(Some((mesh, name))), _) => format!("?mesh={}&name={}", encoded(mesh), encoded(name)),
                (Some(None), Some(mesh)) => {
                    format!("?mesh={}&name={}", encoded(mesh), encoded(&proxy.unwrap_or_default()))
                }
                (Some(None), None) => {
                    complain("error: a proxy is named as MESH/NAME, or by its name and --mesh\n");
                    return Exit::Usage;
                }
            };
            match server.client().map(|client| client.rotate(&query)) {
                Ok(Ok(rotated)) => {
                    let said = json!({ "rotated": rotated });
                    let words = || match rotated {
                        0 => "no proxy has a certificate of a control plane of this store\n".into(),
                        1 => "1 proxy gets a new certificate\n".to_owned(),
                        many => format!("{many} proxies get new certificates\n"),
                    };
                    print(&output::structured(format, &said).unwrap_or_else(words));
                    Exit::Ok
                }
                Ok(Err(failed)) => failed.said(),
                Err(exit) => exit,
            }
        }
    }
}

/// Returns `true` if every authority signs, every proxy has what it asked for, and every secret can be loaded.
fn is_well(report: &CertificateReport) -> bool {
    let CertificateReport { authorities, proxies, outside } = report;
    authorities.iter().all(|it| it.why.is_none())
        && proxies.iter().all(|it| it.why.is_none())
        && outside.iter().all(|it| it.why.is_none())
}

fn drawn(report: &CertificateReport) -> String {
    let CertificateReport { authorities, proxies, outside } = report;
    if authorities.is_empty() && proxies.is_empty() && outside.is_empty() {
        return "no mesh has mTLS, and no MeshIdentity issues certificates\n".into();
    }
    let until = |at: Option<Timestamp>| at.map_or("none".to_owned(), |at| format!("{at:.0}"));
    let authority = |row: &AuthorityRow| {
        let AuthorityRow { mesh, name, ends, why, former } = row;
        let former = (*former > 0).then(|| format!("{former} replaced, still believed"));
        let said: Vec<String> = why.clone().into_iter().chain(soon(*ends)).chain(former).collect();
        [mesh.clone(), name.clone(), until(*ends), said.join("; ")]
    };
    let certificate = |row: &CertificateRow| {
        let CertificateRow {
            mesh,
            name,
            control_plane,
            authority,
            uris,
            serial,
            made: _,
            ends,
            renews,
            made_count: _,
            why,
        } = row;
        let first = uris.first().cloned().unwrap_or_default();
        let serial = serial.as_deref().unwrap_or("none").chars().take(8).collect();
        let elsewhere = control_plane.as_ref().map(|name| format!("at {name}"));
        let rest = why.clone().or(elsewhere).unwrap_or_default();
        [format!("{mesh}/{name}"), authority.clone(), first, serial, until(*ends), until(*renews), rest]
    };
    let of_outside = |row: &OutsideRow| {
        let OutsideRow { mesh, service, part, ends, why } = row;
        let said = why.clone().or_else(|| soon(*ends)).unwrap_or_default();
        [format!("{mesh}/{service}"), part.clone(), until(*ends), said]
    };
    let drawn = [
        (!authorities.is_empty())
            .then(|| table(["MESH", "AUTHORITY", "ENDS", ""], authorities.iter().map(authority))),
        (!proxies.is_empty()).then(|| {
            table(
                ["PROXY", "SIGNED BY", "IDENTITY", "SERIAL", "ENDS", "RENEWS", ""],
                proxies.iter().map(certificate),
            )
        }),
        (!outside.is_empty())
            .then(|| table(["OUTSIDE", "SECRET", "ENDS", ""], outside.iter().map(of_outside))),
    ];
    drawn.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Reminder that a certificate from outside ends soon; `None`: it does not.
pub(crate) fn soon(ends: Option<Timestamp>) -> Option<String> {
    let left = ends?.duration_since(Timestamp::now());
    if left > SOON {
        return None;
    }
    let days = left.as_hours() / 24;
    Some(match days {
        _ if left.is_negative() => "has ended: put another in its place".to_owned(),
        0 => "ends within a day: put another in its place".to_owned(),
        days => format!("ends in {days} days: put another in its place"),
    })
}
