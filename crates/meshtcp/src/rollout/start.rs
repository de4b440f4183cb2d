//! `meshtcp rollout start`: creates a MeshTCPRollout.

use change::ramp::RampAction;
use model::policy::{format_duration, parse_duration};
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use super::ask::ask;
use crate::backends::{Route, in_a_line, name_of, without_weight};
use crate::client::Client;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{Format, complain, print};
use crate::set::shown;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The MeshTCPRoute, MESH/NAME for one of another mesh; or, without --to, a rollout that begins anew
    #[arg(value_name = "ROUTE")]
    route: String,
    /// The backend that connections shall go to: redis-v2, or redis-v2:6379
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,
    /// The backend that they go to before; default: the other one, where the route has two
    #[arg(long, value_name = "BACKEND", requires = "to")]
    from: Option<String>,
    /// Only for connections to this destination, where the route speaks about several
    #[arg(long, value_name = "NAME", requires = "to")]
    destination: Option<String>,
    /// What to call the rollout; default: like the route
    #[arg(long, value_name = "NAME", requires = "to")]
    name: Option<String>,
    /// The steps in percent, each with how long it lasts, and `!` where it waits for approval: 1@10m,10@10m,50@1h!,100
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = step, requires = "to",
          default_value = "1@10m,10@10m,50@10m,100@10m")]
    steps: Vec<Step>,
    /// Only say what it would do
    #[arg(long, requires = "to")]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    mesh: InMesh,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Step as it was written.
#[derive(Clone, Debug)]
struct Step(Value);

fn step(text: &str) -> Result<Step, String> {
    let wrong = || "write PERCENT, PERCENT@TIME or PERCENT@TIME!, such as 10@5m".to_owned();
    let (text, approval) = match text.strip_suffix('!') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (weight, duration) = match text.split_once('@') {
        Some((weight, time)) => (weight, Some(parse_duration(time).ok_or_else(wrong)?)),
        None => (text, None),
    };
    let weight: f64 = weight.trim_end_matches('%').parse().map_err(|_| wrong())?;
    let mut step =
        json!({ "weight": if weight.fract() == 0.0 { json!(weight as u64) } else { json!(weight) } });
    if let Some(duration) = duration {
        step["duration"] = json!(format_duration(duration));
    }
    if approval {
        step["approval"] = json!(true);
    }
    Ok(Step(step))
}

pub(super) fn run(arguments: &Args) -> Result<Exit, Exit> {
    let (client, mesh) = arguments.server.client_in(&arguments.mesh)?;
    let Some(to) = &arguments.to else {
        let key = crate::kind::key(Kind::MeshTCPRollout, &mesh, &arguments.route);
        return ask(&client, &key, RampAction::Start, arguments.output);
    };
    let route = Route::of(&client, Route::key(&mesh, &arguments.route))?;
    let (key, document) = document(arguments, &route, to).map_err(|why| {
        complain(&format!("error: {why}\n"));
        Exit::Problems
    })?;
    begin(arguments, &client, &key, &document)
}

fn begin(arguments: &Args, client: &Client, key: &ResourceKey, document: &Value) -> Result<Exit, Exit> {
    let Args { dry_run, output: format, .. } = arguments;
    // as it would be with its first step in force
    let mut first = document.clone();
    first["status"] = json!({ "weight": document["spec"]["steps"][0]["weight"] });
    let preview = client.preview(&[&first]).map_err(|failed| failed.said())?;
    if *dry_run || preview.is_refused() {
        return Ok(shown(&preview, *format));
    }
    let there = client.get(&path(key)).map_err(|failed| failed.said())?;
    let put = client.put(&path(key), document).map_err(|failed| failed.said())?;
    put.warnings.iter().for_each(|warning| complain(&format!("warning: {key}: {warning}\n")));
    if there.is_some() {
        return ask(client, key, RampAction::Start, *format);
    }
    match format {
        Format::Table => print(&format!("{key} begins, {}", in_a_line(&preview))),
        Format::Json | Format::Yaml => print(&super::status::shown(*format, document)),
    }
    Ok(Exit::Ok)
}

/// Document of the requested rollout.
fn document(arguments: &Args, route: &Route, to: &str) -> Result<(ResourceKey, Value), String> {
    let Args { from, destination, name, steps, .. } = arguments;
    let (from, to, target) = sides(route, from.as_deref(), to, destination.as_deref())?;
    let stored = route.document();
    let text = |key: &str| stored[key].as_str().unwrap_or_default().to_owned();
    let name = name.clone().unwrap_or_else(|| text("name"));
    let mut spec = json!({
        "targetRef": { "kind": "MeshTCPRoute", "name": text("name") },
        "from": from,
        "to": to,
        "steps": steps.iter().map(|step| &step.0).collect::<Vec<_>>(),
    });
    if destination.is_some() {
        spec["destination"] = target;
    }
    let key = ResourceKey::new(Kind::MeshTCPRollout, text("mesh"), name.as_str());
    let document = json!({ "type": "MeshTCPRollout", "mesh": text("mesh"), "name": name, "spec": spec });
    Ok((key, document))
}

/// Both backends without their weights, and their destination.
fn sides(
    route: &Route,
    from: Option<&str>,
    to: &str,
    destination: Option<&str>,
) -> Result<(Value, Value, Value), String> {
    if let Some(from) = from {
        return match route.splits(&[from, to], destination) {
            Ok(splits) => {
                let split = splits.into_iter().next().ok_or("the route has no split")?;
                let refs = route.refs(&split);
                Ok((
                    without_weight(&refs[split.places[0]]),
                    without_weight(&refs[split.places[1]]),
                    split.target,
                ))
            }
            Err(_) => {
                // the route need not name the target backend yet
                let split =
                    route.splits(&[from], destination)?.into_iter().next().ok_or("the route has no split")?;
                let from = without_weight(&route.refs(&split)[split.places[0]]);
                let to = like(&from, to)?;
                Ok((from, to, split.target))
            }
        };
    }
    let split = route.splits(&[to], destination)?.into_iter().next().ok_or("the route has no split")?;
    let refs = route.refs(&split);
    let others: Vec<&Value> =
        refs.iter().enumerate().filter(|(at, _)| *at != split.places[0]).map(|(_, it)| it).collect();
    match others.as_slice() {
        [other] => Ok((without_weight(other), without_weight(&refs[split.places[0]]), split.target)),
        several => {
            let names: Vec<String> = several.iter().map(|it| name_of(it)).collect();
            Err(format!("from which backend? Say --from, one of {}", names.join(", ")))
        }
    }
}

/// Service of the same kind as `other`, from `NAME` or `NAME:PORT`; without a port, that of `other`.
fn like(other: &Value, text: &str) -> Result<Value, String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => {
            let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
            (name, Some(u64::from(port)))
        }
        None => (text, other["port"].as_u64()),
    };
    let mut backend = json!({ "kind": other["kind"], "name": name });
    if let Some(port) = port {
        backend["port"] = json!(port);
    }
    Ok(backend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_short() {
        let read = |text| step(text).map(|step| step.0).ok();
        assert_eq!(read("10@5m!"), Some(json!({ "weight": 10, "duration": "5m0s", "approval": true })));
        assert_eq!(read("0.5%"), Some(json!({ "weight": 0.5 })));
        assert_eq!((read("x"), read("1@"), read("1@5")), (None, None, None));
    }
}
