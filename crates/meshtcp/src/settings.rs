//! Settings of a server from flags, environment and a file: completed to one command line, with all mistakes reported
//! at once.
//!
//! A flag overrides the environment, the environment the file, and the file the credentials of a service manager: a
//! credential with the name of a flag is the file for that flag. The settings of the file have the names of the flags,
//! so there is one table of settings, described by `--help`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use control::plain_file;
use model::FieldPath;
use model::draft::{Document, did_you_mean, read_bytes};
use serde_json::Value;

/// Environment variable with the folder of a service manager's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Member of the settings file for the paths behind the flags.
const PATHS: &str = "resources";

/// A command whose flags may stand in a file.
#[derive(Debug, clap::Args)]
pub(crate) struct WithFile<A: clap::Args> {
    /// Take the flags that are not given from this YAML file: their names without `--`, and `resources` for the paths
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) arguments: A,
}

/// Completes the arguments of a command line from the file and the environment.
///
/// # Errors
/// All mistakes in flags, variables and the file, one per line.
pub(crate) fn complete(
    arguments: Vec<OsString>,
    command_line: &Command,
) -> Result<Vec<OsString>, Vec<String>> {
    let text: Vec<String> = arguments.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    let command = text.get(1).and_then(|name| command_line.find_subcommand(name));
    let Some(command) = command.filter(|command| takes_file(command)) else { return Ok(arguments) };
    let mut table = Table { declared: command, command: alone(command), mistakes: Vec::new() };
    table.flags(&text);
    table.environment();
    let mut completed = arguments;
    if let Some(path) = value_of(&text, "config") {
        completed.extend(table.file(&path, &text).into_iter().map(OsString::from));
    }
    if let Some(folder) = std::env::var_os(CREDENTIALS) {
        completed.extend(table.credentials(Path::new(&folder), &completed));
    }
    if table.mistakes.is_empty() { Ok(completed) } else { Err(table.mistakes) }
}

fn takes_file(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some("config"))
}

/// Returns the command without requirements that a single flag cannot meet.
fn alone(command: &Command) -> Command {
    let free = |arg: Arg| arg.required(false).env(None::<&'static str>);
    command.clone().no_binary_name(true).mut_args(free)
}

/// Value of a flag on a command line, the last one if repeated.
fn value_of(text: &[String], flag: &str) -> Option<String> {
    given(text).into_iter().rev().find(|(name, _)| name == flag).and_then(|(_, value)| value)
}

/// Long flags of a command line with the words behind them.
fn given(text: &[String]) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    for (at, token) in text.iter().enumerate().skip(2) {
        if token == "--" {
            break;
        }
        let Some(flag) = token.strip_prefix("--") else { continue };
        found.push(match flag.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (flag.to_owned(), text.get(at + 1).cloned()),
        });
    }
    found
}

struct Table<'c> {
    /// Command as declared, with the environment variables of its flags.
    declared: &'c Command,
    /// The same command, able to parse a single flag.
    command: Command,
    mistakes: Vec<String>,
}

impl Table<'_> {
    fn named(&self, flag: &str) -> Option<Arg> {
        self.command.get_arguments().find(|arg| arg.get_long() == Some(flag)).cloned()
    }

    /// Reason why a flag cannot have a value; `None`: it can.
    fn wrong(&self, flag: &str, value: &str) -> Option<String> {
        let error = self.command.clone().try_get_matches_from([format!("--{flag}={value}")]).err()?;
        let of_value = [
            ErrorKind::InvalidValue,
            ErrorKind::ValueValidation,
            ErrorKind::NoEquals,
            ErrorKind::TooManyValues,
        ];
        let said = of_value.contains(&error.kind()).then(|| error.render().to_string())?;
        // the error and the possible values; general advice follows after the blank line
        let about: Vec<&str> = said.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        let about = about.join(" ");
        Some(about.strip_prefix("error: ").unwrap_or(&about).to_owned())
    }

    fn flags(&mut self, text: &[String]) {
        for (flag, value) in given(text) {
            let Some(value) = value.filter(|_| self.named(&flag).is_some_and(|arg| takes_value(&arg))) else {
                continue;
            };
            let wrong = self.wrong(&flag, &value);
            self.mistakes.extend(wrong);
        }
    }

    fn environment(&mut self) {
        for arg in self.declared.get_arguments() {
            let (Some(flag), Some(variable)) = (arg.get_long(), arg.get_env()) else { continue };
            let Some(value) = std::env::var_os(variable) else { continue };
            let wrong = self.wrong(flag, &value.to_string_lossy());
            self.mistakes.extend(wrong.map(|why| format!("{}: {why}", variable.to_string_lossy())));
        }
    }

    /// Arguments from a service manager's credentials: files of flags that are not given.
    fn credentials(&self, folder: &Path, completed: &[OsString]) -> Vec<OsString> {
        let text: Vec<String> = completed.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        let given: BTreeSet<String> = given(&text).into_iter().map(|(flag, _)| flag).collect();
        let takes_file =
            |arg: &&Arg| arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"));
        let flags = self.declared.get_arguments().filter(takes_file).filter_map(Arg::get_long);
        flags
            .filter(|flag| *flag != "config" && !given.contains(*flag) && !self.environment_has(flag))
            .filter(|flag| folder.join(flag).is_file())
            .map(|flag| format!("--{flag}={}", folder.join(flag).display()).into())
            .collect()
    }

    /// Arguments from the settings file.
    fn file(&mut self, path: &str, text: &[String]) -> Vec<String> {
        let bytes = match plain_file::read_named(Path::new(path)) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.mistakes.push(format!("{path} cannot be read: {error}"));
                return Vec::new();
            }
        };
        let (documents, problems) = read_bytes(path, &bytes);
        self.mistakes.extend(problems.iter().map(ToString::to_string));
        let given: BTreeSet<String> = given(text).into_iter().map(|(flag, _)| flag).collect();
        let mut added = Vec::new();
        for document in &documents {
            let Some(members) = document.value().as_object() else {
                self.mistakes.push(format!("{path}: is no list of settings: write NAME: VALUE"));
                continue;
            };
            for (name, value) in members {
                added.extend(self.member(document, name, value, &given));
            }
        }
        added
    }

    fn member(
        &mut self,
        document: &Document,
        name: &str,
        value: &Value,
        given: &BTreeSet<String>,
    ) -> Vec<String> {
        let position = document.position(&FieldPath::root().field(name));
        let place = position
            .map_or_else(|| document.source().to_string(), |at| format!("{}:{}", document.source(), at.line));
        let values: Vec<String> = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().map(plain).collect(),
            one => vec![plain(one)],
        };
        if name == PATHS && self.command.get_positionals().next().is_some() {
            return values;
        }
        let Some(arg) = self.named(name).filter(|_| name != "config") else {
            let known = self.command.get_arguments().filter_map(Arg::get_long).filter(|it| *it != "config");
            let known: Vec<String> = known.map(str::to_owned).chain([PATHS.to_owned()]).collect();
            let near = did_you_mean(name, known.iter().map(String::as_str));
            let near = near.unwrap_or_else(|| format!("there are {}", known.join(", ")));
            self.mistakes.push(format!("{place}: no setting is called `{name}` ({near})"));
            return Vec::new();
        };
        if !takes_value(&arg) {
            return match value {
                Value::Bool(true) => vec![format!("--{name}")],
                Value::Bool(false) => Vec::new(),
                _ => {
                    self.mistakes.push(format!("{place}: `{name}` is true or false"));
                    Vec::new()
                }
            };
        }
        let wrong: Vec<String> = values.iter().filter_map(|value| self.wrong(name, value)).collect();
        self.mistakes.extend(wrong.into_iter().map(|why| format!("{place}: {why}")));
        let from_environment = self.environment_has(name);
        if given.contains(name) || from_environment {
            return Vec::new();
        }
        values.into_iter().map(|value| format!("--{name}={value}")).collect()
    }

    fn environment_has(&self, flag: &str) -> bool {
        let arg = self.declared.get_arguments().find(|arg| arg.get_long() == Some(flag));
        arg.and_then(Arg::get_env).is_some_and(|variable| std::env::var_os(variable).is_some())
    }
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn completed(file: &str, arguments: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        std::fs::write(&path, file).unwrap();
        let start = ["meshtcp", "control-plane", "--config", path.to_str().unwrap()];
        let all = start.iter().chain(arguments).map(OsString::from).collect();
        let text = |words: Vec<OsString>| {
            words.into_iter().skip(4).map(|it| it.to_string_lossy().into_owned()).collect()
        };
        complete(all, &Cli::command()).map(text)
    }

    #[test]
    fn a_flag_beats_the_file() {
        let file = "resources: [a, b]\nxds: 127.0.0.1:1\ndrain-time: 5s\n";
        let said = completed(file, &["--xds", "127.0.0.1:2"]).unwrap();
        assert_eq!(said, ["--xds", "127.0.0.1:2", "a", "b", "--drain-time=5s"]);
    }

    #[test]
    fn all_mistakes_are_said_at_once() {
        let file = "xsd: 127.0.0.1:1\ndrain-time: soon\nenvoy-split: halves\n";
        let wrong = completed(file, &["--xds", "nowhere"]).unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:#?}");
        assert!(
            wrong[1].contains("settings.yaml:1") && wrong[1].contains("did you mean `xds`"),
            "{wrong:#?}"
        );
    }

    #[test]
    fn a_credential_stands_for_the_file_of_its_flag_unless_another_is_given() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["xds-tls-key", "api-tls-key", "unknown", "xds"] {
            std::fs::write(folder.path().join(name), "secret").unwrap();
        }
        let command_line = Cli::command();
        let command = command_line.find_subcommand("control-plane").unwrap();
        let table = Table { declared: command, command: alone(command), mistakes: Vec::new() };
        let given = ["meshtcp", "control-plane", "--api-tls-key", "mine.pem"].map(OsString::from);
        let added = table.credentials(folder.path(), &given);
        assert_eq!(
            added,
            [OsString::from(format!("--xds-tls-key={}", folder.path().join("xds-tls-key").display()))]
        );
    }

    #[test]
    fn other_commands_are_left_alone() {
        let all: Vec<OsString> = ["meshtcp", "validate", "--config", "x"].map(OsString::from).into();
        assert_eq!(complete(all.clone(), &Cli::command()), Ok(all));
    }
}
