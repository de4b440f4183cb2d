//! `meshtcp describe`: one stored resource, with its state in the fleet.

mod words;

use change::preview::State;
use jiff::Timestamp;
use model::Kind;
use plan::ProxyId;
use serde_json::json;

use crate::client::encoded;
use crate::exit::Exit;
use crate::explain::explained as explained_at;
use crate::get::absent;
use crate::in_force::{InForce, path};
use crate::kind::{WrittenKind, key};
use crate::output::{self, Format, complain, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; or KIND/NAME
    #[arg(value_name = "KIND")]
    kind: WrittenKind,
    /// The name; MESH/NAME for one of another mesh
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    in_force: InForce,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(
    Args { kind: WrittenKind { kind, name: behind }, name, in_force, output: format }: Args,
) -> Exit {
    let Some(name) = behind.or(name) else {
        complain("error: nothing is named\n  help: meshtcp describe KIND NAME\n");
        return Exit::Usage;
    };
    let server = &in_force.server;
    let resolved = in_force.mesh().and_then(|mesh| Ok((server.client()?, mesh)));
    let (client, mesh) = match resolved {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let key = key(kind, &mesh, &name);
    let resource = match client.get(&path(&key)) {
        Ok(Some(resource)) => resource,
        Ok(None) => {
            complain(&absent(&client, &key));
            return Exit::Problems;
        }
        Err(failed) => return failed.said(),
    };
    let query = match kind {
        Kind::Dataplane => format!("&what=proxies&mesh={}&name={}", encoded(&mesh), encoded(&name)),
        _ => format!("&what=routes&mesh={}&name={}", encoded(&mesh), encoded(&name)),
    };
    let report = match client.report(&query) {
        Ok(report) => report,
        Err(failed) => return failed.said(),
    };
    let (proxy, policy) = (ProxyId::dataplane(key.mesh_or_empty(), key.name.as_str()), key.to_string());
    let now = match kind {
        Kind::Dataplane => json!(report.proxies.iter().find(|it| it.proxy == proxy)),
        _ => json!(report.routes.iter().find(|it| it.policy == policy)),
    };
    let is_route = matches!(kind, Kind::MeshTCPRoute | Kind::MeshHTTPRoute | Kind::TrafficRoute);
    let state = match (kind == Kind::Dataplane || is_route).then(|| in_force.load()).transpose() {
        Ok(state) => state.map(|State { compiled, .. }| compiled),
        Err(exit) => return exit,
    };
    let explained = state.as_ref().filter(|_| kind == Kind::Dataplane);
    let explained =
        explained.and_then(|compiled| explained_at(compiled, &proxy, None)).map(|it| it.to_string());
    let tree = json!({"resource": resource, "status": now, "explanation": explained});
    let drawn = || {
        let time = Timestamp::now();
        let mut text = words::head(&key, &resource, time);
        match &state {
            Some(compiled) if is_route => {
                let route = report.routes.iter().find(|it| it.policy == policy);
                text.push_str(&words::route(&report, route, compiled));
            }
            Some(_) => {
                let proxy = report.proxies.iter().find(|it| it.proxy == proxy);
                text.push_str(&words::proxy(&report, proxy, time));
            }
            None => {}
        }
        for part in explained.iter().chain([&format!("as it is stored\n{}", output::yaml(&resource))]) {
            text.push_str(&format!("\n{part}"));
        }
        text
    };
    print(&output::structured(format, &tree).unwrap_or_else(drawn));
    Exit::Ok
}
