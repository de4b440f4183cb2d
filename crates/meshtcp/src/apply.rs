//! `meshtcp apply`: puts resources into a control plane, and shows the change becoming live.

mod prune;
pub(crate) mod wait;

use change::preview::{comparable, differences, universal};
use change::rollout::Rollout;
use change::{Entry, carry};
use model::ResourceKey;
use model::problems::SHOWN;
use prune::Prune;
use serde::Serialize;
use serde_json::{Value, json};
use wait::{Wait, waited};
use xds::Foreign;

use crate::answer::complaints;
use crate::client::{Client, Put};
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::in_force::path;
use crate::output::{self, Format, complain, print};
use crate::proposal::{Files, Proposed};
use crate::source::Rules;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// Only say what would be created, updated or deleted
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    prune: Prune,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    mesh: InMesh,
    #[command(flatten)]
    rules: Rules,
    /// How to print what became of each resource
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Outcome of one resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Applied {
    kind: String,
    mesh: String,
    name: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

pub(crate) fn run(Args { files, dry_run, prune, wait, server, mesh, rules, output: format }: Args) -> Exit {
    let prunes = match prune.is_wanted() {
        Ok(prunes) => prunes,
        Err(why) => {
            complain(&format!("error: {why}\n"));
            return Exit::Usage;
        }
    };
    let prepared = server.resolved().and_then(|context| {
        let proposed = files.read(&rules, &mesh.or_of(&context))?;
        Ok((proposed, server.client()?))
    });
    let (Proposed { mut entries, exit: left_out }, client) = match prepared {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    // a mesh must exist before its resources; otherwise the order of the files is kept
    entries.sort_by_key(|entry| entry.resource.kind() != model::Kind::Mesh);
    let steps = match steps(&client, &entries, &prune) {
        Ok(steps) => steps,
        Err(exit) => return exit,
    };
    let superfluous = match (prunes, left_out) {
        (false, _) => Vec::new(),
        (true, Exit::Ok) => match prune.superfluous(&client, &entries) {
            Ok(superfluous) => superfluous,
            Err(failed) => return failed.said(),
        },
        (true, _) => {
            complain("warning: nothing is pruned: what was left out may be what is there\n");
            Vec::new()
        }
    };
    for key in superfluous.iter().filter(|_| format == Format::Table) {
        print(&format!("{key} is in no file: it {} deleted\n", if dry_run { "would be" } else { "will be" }));
    }
    let mut said = Outcomes { format, applied: Vec::new(), revision: None };
    let exit = match dry_run {
        true => {
            let would = |step: &Step<'_>| {
                if step.outcome == SAME { SAME.to_owned() } else { format!("{} (dry run)", step.outcome) }
            };
            steps.iter().for_each(|step| said.step(step, &would(step), step.outcome, &[], None));
            Exit::Ok
        }
        false => match put(&client, &steps, &mut said) {
            Exit::Ok => delete(&client, &superfluous, &mut said),
            exit => exit,
        },
    };
    if dry_run {
        superfluous.iter().for_each(|key| said.deleted(key, None));
    }
    let (rollout, exit) = match exit {
        Exit::Ok if !dry_run => waited(&client, said.revision, &wait),
        exit => (None, exit),
    };
    let answer = || answer(&said.applied, said.revision, rollout.as_ref());
    if format != Format::Table {
        print(&output::structured(format, &answer()).unwrap_or_default());
    }
    if exit == Exit::Ok { left_out } else { exit }
}

/// Outcome of resources, progress of the rollout if it was awaited, and complaints, as one value.
pub(crate) fn answer(resources: &impl Serialize, revision: Option<u64>, rollout: Option<&Rollout>) -> Value {
    let mut answer = json!({ "resources": resources, "revision": revision, "errors": complaints() });
    if let (Some(members), Some(rollout)) = (answer.as_object_mut(), rollout) {
        members.insert("rollout".into(), json!(rollout));
    }
    answer
}

const SAME: &str = "unchanged";

/// Planned change of one resource.
struct Step<'e> {
    entry: &'e Entry,
    document: Value,
    /// Outcome: `created`, `updated` or [`SAME`].
    outcome: &'static str,
}

/// Compares each resource with the stored one.
fn steps<'e>(
    client: &Client,
    entries: &'e [std::sync::Arc<Entry>],
    prune: &Prune,
) -> Result<Vec<Step<'e>>, Exit> {
    let (mut steps, mut exit) = (Vec::new(), Exit::Ok);
    for entry in entries {
        let resource = &entry.resource;
        let (kind, mut document) = (resource.kind(), universal(entry.document.value(), resource));
        match client.get(&path(&resource.key())) {
            Ok(stored) => {
                if let Err(other) = prune.mark(&mut document, stored.as_ref()) {
                    let described = resource.describe();
                    complain(&format!(
                        "error: {described} is in the set {}\n  help: apply it there, or take its label away first\n",
                        Foreign::name(&other)
                    ));
                    exit = Exit::Problems;
                    continue;
                }
                let same = |stored: &Value| {
                    let mut whole = document.clone();
                    carry(stored, &mut whole, kind);
                    differences(&comparable(stored, kind), &comparable(&whole, kind)).is_empty()
                };
                let outcome = match &stored {
                    Some(stored) if same(stored) => SAME,
                    Some(_) => "updated",
                    None => "created",
                };
                steps.push(Step { entry, document, outcome });
            }
            Err(failed) => {
                complain(&format!("error: {}: {failed}\n", resource.describe()));
                exit = failed.exit();
                if exit == Exit::Unreachable {
                    break;
                }
            }
        }
    }
    if exit == Exit::Ok { Ok(steps) } else { Err(exit) }
}

/// Puts the resources that differ: together, so that no proxy is told a part; one by one if the control plane cannot do
/// that.
fn put(client: &Client, steps: &[Step<'_>], said: &mut Outcomes) -> Exit {
    let changed: Vec<&Step<'_>> = steps.iter().filter(|step| step.outcome != SAME).collect();
    if changed.len() > 1 {
        let documents: Vec<&Value> = changed.iter().map(|step| &step.document).collect();
        match client.apply(&documents) {
            Ok(Some(applied)) => {
                for step in steps {
                    let key = step.entry.resource.key();
                    let found = applied.iter().find(|it| it.is(&key));
                    let outcome = found.map_or(SAME, |it| it.outcome.as_str());
                    let warnings = found.map(|it| it.warnings.as_slice()).unwrap_or_default();
                    said.step(step, outcome, outcome, warnings, found.and_then(|it| it.revision));
                }
                return Exit::Ok;
            }
            Ok(None) => {}
            Err(failed) => {
                complain(&format!("error: nothing was applied: {failed}\n"));
                return failed.exit();
            }
        }
    }
    let mut exit = Exit::Ok;
    for step in steps {
        if step.outcome == SAME {
            said.step(step, SAME, SAME, &[], None);
            continue;
        }
        match client.put(&path(&step.entry.resource.key()), &step.document) {
            Ok(Put { created, warnings, revision }) => {
                let outcome = if created { "created" } else { "updated" };
                said.step(step, outcome, outcome, &warnings, revision);
            }
            Err(failed) => {
                complain(&format!("error: {}: {failed}\n", step.entry.resource.describe()));
                exit = failed.exit();
                if exit == Exit::Unreachable {
                    break;
                }
            }
        }
    }
    exit
}

/// Deletes the resources that are in no file.
fn delete(client: &Client, superfluous: &[ResourceKey], said: &mut Outcomes) -> Exit {
    let mut exit = Exit::Ok;
    for key in superfluous {
        match client.delete(&path(key)) {
            // another client was faster
            Ok(None) => {}
            Ok(Some(revision)) => {
                if said.format == Format::Table {
                    print(&format!("{key} deleted\n"));
                }
                said.deleted(key, revision);
            }
            Err(failed) => {
                complain(&format!("error: {key}: {failed}\n"));
                exit = failed.exit();
            }
        }
    }
    exit
}

/// Outcomes reported so far.
struct Outcomes {
    format: Format,
    applied: Vec<Applied>,
    /// Last revision made; `None`: none was.
    revision: Option<u64>,
}

impl Outcomes {
    fn deleted(&mut self, key: &ResourceKey, revision: Option<u64>) {
        self.revision = revision.max(self.revision);
        self.applied.push(Applied {
            kind: key.kind.to_string(),
            mesh: key.mesh_or_empty().to_owned(),
            name: key.name.to_string(),
            outcome: "deleted".to_owned(),
            revision,
            warnings: Vec::new(),
        });
    }

    fn step(
        &mut self,
        Step { entry, .. }: &Step<'_>,
        words: &str,
        outcome: &str,
        warnings: &[String],
        revision: Option<u64>,
    ) {
        let described = entry.resource.describe();
        if outcome != SAME {
            self.revision = revision.max(self.revision);
        }
        if self.format == Format::Table {
            print(&format!("{described} {}\n", Foreign::name(words)));
        }
        for warning in warnings.iter().take(SHOWN).filter(|_| self.format == Format::Table) {
            complain(&format!("warning: {described}: {}\n", Foreign::message(warning)));
        }
        let meta = entry.resource.meta();
        self.applied.push(Applied {
            kind: entry.resource.kind().to_string(),
            mesh: meta.mesh.as_str().to_owned(),
            name: meta.name.as_str().to_owned(),
            outcome: outcome.to_owned(),
            revision: if outcome == SAME { None } else { revision },
            warnings: warnings.iter().take(SHOWN).cloned().collect(),
        });
    }
}
