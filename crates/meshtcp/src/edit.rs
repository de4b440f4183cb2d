//! `meshtcp edit`: one stored resource in the user's editor.
//!
//! The saved document is put on top of the version that was opened, so that a concurrent change is not overwritten. A
//! document that cannot be put is kept in its file.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use change::preview::{comparable, differences, universal};
use change::{Content, Options};
use clap_complete::engine::ArgValueCompleter;
use model::ResourceKey;
use serde_json::Value;

use crate::apply::wait::{Wait, waited};
use crate::client::Client;
use crate::completion;
use crate::context::{InMesh, Server};
use crate::exit::Exit;
use crate::get::absent;
use crate::in_force::path;
use crate::kind::{WrittenKind, key};
use crate::output::{complain, print, yaml};
use crate::report::Reporter;
use crate::source::Rules;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kind, e.g. meshtcproutes, MeshTCPRoute or mtcpr; or KIND/NAME
    #[arg(value_name = "KIND", add = ArgValueCompleter::new(completion::kinds))]
    kind: WrittenKind,
    /// The name; MESH/NAME for one of another mesh
    #[arg(value_name = "NAME", add = ArgValueCompleter::new(completion::names))]
    name: Option<String>,
    #[command(flatten)]
    mesh: InMesh,
    /// The editor, with its arguments; a graphical one has to wait until the file is closed
    #[arg(long, value_name = "COMMAND", env = "VISUAL")]
    editor: Option<String>,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    rules: Rules,
}

/// Comment at the head of the file, for the user.
const HEAD: &str =
    "# What is saved is put, unless nothing has changed. Lines that begin with # are left out.\n";

pub(crate) fn run(arguments: Args) -> Exit {
    let Args { kind: WrittenKind { kind, name: behind }, name, mesh, editor, wait, server, rules } =
        arguments;
    let Some(name) = behind.or(name) else {
        complain("error: nothing is named\n  help: meshtcp edit KIND NAME\n");
        return Exit::Usage;
    };
    let (client, mesh) = match server.client_in(&mesh) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    let key = key(kind, &mesh, &name);
    let (stored, version) = match client.get_tagged(&path(&key)) {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            complain(&absent(&client, &key));
            return Exit::Problems;
        }
        Err(failed) => return failed.said(),
    };
    let opened = Opened { key, stored, version };
    match opened.edited(editor.as_deref()) {
        Ok(file) => opened.put(&client, file, &rules, &wait),
        Err(exit) => exit,
    }
}

/// Resource as it was when the editor was opened.
struct Opened {
    key: ResourceKey,
    stored: Value,
    version: Option<String>,
}

impl Opened {
    /// Writes the resource to a file, and opens it in the editor.
    fn edited(&self, editor: Option<&str>) -> Result<tempfile::TempPath, Exit> {
        let editor = editor.map(str::to_owned).or_else(|| std::env::var("EDITOR").ok());
        let editor = editor.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
        let environment = |why: String| {
            complain(&format!("error: {why}\n"));
            Exit::Environment
        };
        let prefix = format!("{}-", self.key.name.replace('/', "-"));
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".yaml")
            .tempfile()
            .map_err(|error| environment(format!("there can be no file to edit: {error}")))?;
        file.write_all(format!("{HEAD}{}", yaml(&self.stored)).as_bytes())
            .map_err(|error| environment(format!("{} cannot be written: {error}", file.path().display())))?;
        let file = file.into_temp_path();
        // an editor with arguments is a shell command, as in git
        let ended = Command::new("sh").args(["-c", &format!("{editor} \"$@\""), &editor]).arg(&file).status();
        match ended {
            Ok(status) if status.success() => Ok(file),
            Ok(status) => {
                Err(environment(format!("the editor `{editor}` ended with {status}: nothing was changed")))
            }
            Err(error) => Err(environment(format!("the editor `{editor}` could not be started: {error}"))),
        }
    }

    /// Puts the saved document.
    fn put(&self, client: &Client, file: tempfile::TempPath, rules: &Rules, wait: &Wait) -> Exit {
        let document = match self.read(&file, rules) {
            Ok(Some(document)) => document,
            Ok(None) => {
                print(&format!("{} unchanged\n", self.key));
                return Exit::Ok;
            }
            Err(exit) => return kept(file, exit),
        };
        match client.put_on(&path(&self.key), &document, self.version.as_deref()) {
            Ok(None) => {
                let key = &self.key;
                complain(&format!("error: {key} was changed by somebody else meanwhile: nothing was put\n"));
                kept(file, Exit::Problems)
            }
            Ok(Some(put)) => {
                print(&format!("{} updated\n", self.key));
                for warning in put.warnings {
                    complain(&format!("warning: {}\n", xds::Foreign::message(warning)));
                }
                waited(client, put.revision, wait).1
            }
            Err(failed) => kept(file, failed.said()),
        }
    }

    /// Saved document; `None`: it equals the stored one.
    fn read(&self, file: &Path, rules: &Rules) -> Result<Option<Value>, Exit> {
        let bytes = std::fs::read(file).map_err(|error| {
            complain(&format!("error: {} cannot be read: {error}\n", file.display()));
            Exit::Environment
        })?;
        let mesh = self.key.mesh_or_empty();
        let options = Options { mesh: mesh.into(), ..rules.options() };
        let content = Content::read(&file.display().to_string(), &bytes, &options);
        Reporter::new().tell(&content.problems, |_| Some(content.text()));
        let text = String::from_utf8_lossy(&bytes);
        if text.lines().all(|line| line.trim().is_empty() || line.starts_with('#')) {
            return Ok(None);
        }
        if content.problems.has_errors() {
            complain("error: nothing was put\n");
            return Err(Exit::Problems);
        }
        let [entry] = content.entries.as_slice() else {
            complain(&format!(
                "error: there are {} resources in the file, and only {} is edited\n",
                content.entries.len(),
                self.key
            ));
            return Err(Exit::Problems);
        };
        let key = entry.resource.key();
        if key != self.key {
            complain(&format!(
                "error: {} was edited, and {key} was saved: what it is called cannot be changed\n",
                self.key
            ));
            return Err(Exit::Problems);
        }
        let document = universal(entry.document.value(), &entry.resource);
        let same =
            differences(&comparable(&self.stored, key.kind), &comparable(&document, key.kind)).is_empty();
        Ok((!same).then_some(document))
    }
}

/// Keeps the file, and prints its path.
fn kept(file: tempfile::TempPath, exit: Exit) -> Exit {
    match file.keep() {
        Ok(file) => complain(&format!(
            "note: what you wrote is kept in {}\n  help: repair it, and put it: meshtcp apply -f {}\n",
            file.display(),
            file.display()
        )),
        Err(error) => complain(&format!("warning: what you wrote could not be kept: {error}\n")),
    }
    exit
}
