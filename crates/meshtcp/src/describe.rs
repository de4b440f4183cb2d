//! `meshtcp describe`: one stored resource, and what became of it.

use change::preview::State;
use model::{Kind, ProxyKey};
use serde_json::json;

use crate::exit::Exit;
use crate::explain::explained;
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
            complain(&format!("error: there is no {}\n", key));
            return Exit::Problems;
        }
        Err(failed) => return failed.said(),
    };
    let report = match client.report() {
        Ok(report) => report,
        Err(failed) => return failed.said(),
    };
    let (proxy, policy) = (ProxyKey::new(key.mesh_or_empty(), key.name.as_str()), key.to_string());
    let now = match kind {
        Kind::Dataplane => json!(report.proxies.iter().find(|it| it.proxy == proxy)),
        _ => json!(report.routes.iter().find(|it| it.policy == policy)),
    };
    let explained = match kind {
        Kind::Dataplane => match in_force.load() {
            Ok(State { compiled, .. }) => explained(&compiled, &proxy, None).map(|it| it.to_string()),
            Err(exit) => return exit,
        },
        _ => None,
    };
    let tree = json!({"resource": resource, "status": now, "explanation": explained});
    let drawn = || {
        let mut text = output::yaml(&resource);
        if !now.is_null() {
            text.push_str(&format!("\n# what became of it\n{}", output::yaml(&now)));
        }
        if let Some(explained) = &explained {
            text.push_str(&format!("\n{explained}"));
        }
        text
    };
    print(&output::structured(format, &tree).unwrap_or_else(drawn));
    Exit::Ok
}
