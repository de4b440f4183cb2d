//! Presentation of the command line: commands in groups, each with examples, and flags of a command also in front of
//! it.

use std::ffi::OsString;

use clap::{ArgAction, Command};

use crate::examples::EXAMPLES;
use crate::exit::Exit;

/// Purposes of commands, and the commands for each. A command without a group is listed after them.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "Carry connections",
        &["up", "control-plane", "proxy", "kernel", "transparent-proxy", "envoy-bootstrap"],
    ),
    (
        "Look before a change",
        &["validate", "plan", "explain", "diff", "preview", "simulate", "schema", "profiles", "import"],
    ),
    ("Make a change", &["apply", "edit", "set", "delete", "rollout", "rollback"]),
    ("See what is there", &["get", "describe", "status", "history", "top", "logs", "identity", "version"]),
    ("Look after it", &["check", "bug-report", "backup", "restore", "token"]),
    ("This program", &["demo", "config", "completion", "man"]),
];

/// Returns the whole command line, in groups and with examples.
pub(crate) fn arranged(mut command: Command) -> Command {
    let groups = groups(&command);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\nOptions:\n{{options}}{{after-help}}"
    );
    command = command.help_template(template).after_help(format!(
        "`meshtcp COMMAND --help` has the flags of a command, and examples; they may stand in front of it, too.\n\n{}",
        Exit::TABLE
    ));
    for (name, examples) in EXAMPLES {
        command = command.mut_subcommand(name, |command| command.after_help(lines(examples)));
    }
    command
}

fn groups(command: &Command) -> String {
    let about = |name: &str| {
        let about = command.find_subcommand(name).filter(|command| !command.is_hide_set())?.get_about();
        Some(format!("  {name:<18} {}\n", about.map(ToString::to_string).unwrap_or_default()))
    };
    let group = |heading: &str, names: &[&str]| {
        let lines: String = names.iter().filter_map(|name| about(name)).collect();
        if lines.is_empty() { String::new() } else { format!("\n{heading}:\n{lines}") }
    };
    let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let rest: Vec<&str> =
        command.get_subcommands().map(Command::get_name).filter(|name| !grouped.contains(name)).collect();
    GROUPS.iter().map(|(heading, names)| group(heading, names)).chain([group("More", &rest)]).collect()
}

fn lines(examples: &[(&str, &str)]) -> String {
    let line = |(line, what): &(&str, &str)| format!("  {line}\n      {what}\n");
    format!("Examples:\n{}", examples.iter().map(line).collect::<String>().trim_end())
}

/// Moves arguments in front of the command behind it, where its flags belong.
pub(crate) fn command_first(arguments: Vec<OsString>, command_line: &Command) -> Vec<OsString> {
    let word = |at: usize| arguments.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    let mut at = 1;
    while is_flag(word(at)) {
        // `meshtcp --help` belongs to no command
        if command_line.get_arguments().any(|arg| is_called(arg, word(at)) && !arg.is_global_set())
            || ["--help", "-h", "--version", "-V"].contains(&word(at))
        {
            return arguments;
        }
        let next_is_command = command_line.find_subcommand(word(at + 1)).is_some();
        at += if takes_value(command_line, word(at), next_is_command) { 2 } else { 1 };
    }
    let mut end = at;
    let mut command = command_line;
    while let Some(inner) = command.find_subcommand(word(end)) {
        command = inner;
        end += 1;
    }
    if at == 1 || end == at {
        return arguments;
    }
    let (front, rest) = arguments.split_at(at);
    let (command, behind) = rest.split_at(end - at);
    let (program, flags) = front.split_at(1);
    [program, command, flags, behind].concat()
}

fn is_flag(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && word != "--"
}

/// Returns `true` if a word is the flag itself, without a value.
fn is_called(arg: &clap::Arg, word: &str) -> bool {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').filter(|rest| rest.chars().count() == 1);
    long.is_some_and(|long| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&long)))
        || short.is_some_and(|short| arg.get_short().is_some_and(|it| short.starts_with(it)))
}

/// Returns `true` if the next word is the flag's value. Of a flag that takes one with some commands only, it may be the
/// command.
fn takes_value(command: &Command, flag: &str, next_is_command: bool) -> bool {
    let all = every(command);
    let mut takes = all.iter().filter(|arg| is_called(arg, flag)).map(|arg| match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg.get_num_args().is_none_or(|number| number.min_values() > 0),
        _ => false,
    });
    let Some(first) = takes.next() else { return false };
    if takes.all(|other| other == first) { first } else { !next_is_command }
}

/// Arguments of a command and of its subcommands.
fn every(command: &Command) -> Vec<&clap::Arg> {
    let below = command.get_subcommands().flat_map(every);
    command.get_arguments().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{Cli, command_line};

    fn moved(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words = command_first(words, &command_line());
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_may_stand_in_front_of_their_command() {
        for (written, meant) in [
            ("meshtcp get meshes", "meshtcp get meshes"),
            ("meshtcp --context prod -o json get meshes", "meshtcp get --context prod -o json meshes"),
            ("meshtcp -ojson config view", "meshtcp config view -ojson"),
            ("meshtcp -A get meshes -o name", "meshtcp get -A meshes -o name"),
            ("meshtcp -m demo get dataplanes", "meshtcp get -m demo dataplanes"),
            // a value with `apply`, none with `logs`
            ("meshtcp -f logs x.log", "meshtcp logs -f x.log"),
            ("meshtcp -f x.yaml apply", "meshtcp apply -f x.yaml"),
            ("meshtcp --log-level debug up .", "meshtcp up --log-level debug ."),
            ("meshtcp --help", "meshtcp --help"),
            ("meshtcp --color never nope", "meshtcp --color never nope"),
        ] {
            assert_eq!(moved(written), meant);
        }
    }

    #[test]
    fn every_command_is_in_a_group() {
        let help = command_line().render_long_help().to_string();
        assert!(!help.contains("\nMore:\n"), "{help}");
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(help.contains(&format!("\n  {:<18} ", command.get_name())), "{}", command.get_name());
        }
    }

    #[test]
    fn every_example_is_a_command_line_of_its_command() {
        for (name, examples) in EXAMPLES {
            for (line, _) in *examples {
                // without the shell's operators and quotes
                let line =
                    line.split(['|', '>', '&']).next().unwrap_or_default().trim_end().replace('\'', "");
                let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
                assert_eq!((line.starts_with("meshtcp "), words[1].to_str()), (true, Some(*name)), "{line}");
                let parsed = command_line().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
}
