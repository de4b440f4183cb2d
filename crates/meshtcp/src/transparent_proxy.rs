//! `meshtcp transparent-proxy`: redirects this host's connections to the proxy beside them, and undoes that.
//!
//! ```text
//!  flags ─▶ Capture ─▶ Ruleset: chains of rules ──as nft or iptables say them──▶ the kernel
//!                                   └── status: each rule carries a mark of what it says, and marks are compared
//! ```

mod capture;
mod ip_tables;
mod nf_tables;
mod ports;
mod rules;
mod tool;

use std::fmt::Write as _;

use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Format, complain, print};
use capture::Capture;
use rules::Ruleset;
use tool::{Choice, Tool};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Redirect connections of this host to the proxy; whatever was installed before is replaced in one step
    Install(Install),
    /// Say whether what is installed is what these flags would install: exit 0 if it is, 1 if not
    Status(Status),
    /// Take everything out again that was installed
    Uninstall(Uninstall),
}

#[derive(Debug, clap::Args)]
struct Install {
    #[command(flatten)]
    capture: Capture,
    #[command(flatten)]
    with: ToolArgs,
    /// Print the rules instead of installing them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: Printed,
}

#[derive(Debug, clap::Args)]
struct Status {
    #[command(flatten)]
    capture: Capture,
    #[command(flatten)]
    with: ToolArgs,
    #[command(flatten)]
    format: Printed,
}

#[derive(Debug, clap::Args)]
struct Uninstall {
    #[command(flatten)]
    with: ToolArgs,
    /// Print what would be taken out instead of taking it out
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: Printed,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct ToolArgs {
    /// What the kernel is told with: `nft`, and iptables-restore where only that is there
    #[arg(long, value_enum, default_value_t, value_name = "TOOL")]
    tool: Choice,
}

#[derive(Clone, Copy, Debug, clap::Args)]
struct Printed {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Outcome of a command, for programs.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Name of the tool that configures the kernel.
    tool: &'static str,
    /// `true`: the requested rules are in the kernel now.
    installed: bool,
    /// Differences between the installed and the requested rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<String>,
    /// Rules in the tool's syntax.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<String>,
}

pub(crate) fn run(Args { what }: Args) -> Exit {
    let done = match what {
        Action::Install(arguments) => install(arguments),
        Action::Status(arguments) => status(arguments),
        Action::Uninstall(arguments) => uninstall(arguments),
    };
    done.unwrap_or_else(|(message, exit)| {
        complain(&format!("error: {message}\n"));
        exit
    })
}

/// Reason why nothing was done, and the exit status.
type Failed = (String, Exit);

fn environment(message: String) -> Failed {
    (message, Exit::Environment)
}

fn install(Install { capture, with, dry_run, format }: Install) -> Result<Exit, Failed> {
    let ruleset = capture.ruleset().map_err(|message| (message, Exit::Usage))?;
    if dry_run {
        let tool = with.tool.or_usual();
        let rules = tool.script(&ruleset);
        let answer = Answer { tool: tool.name(), rules: Some(rules.clone()), ..Answer::default() };
        print(&output::structured(format.output, &answer).unwrap_or(rules));
        return Ok(Exit::Ok);
    }
    let tool = with.tool.found().map_err(environment)?;
    let differences = differences(tool, &ruleset)?;
    if !differences.is_empty() {
        tool.install(&ruleset).map_err(environment)?;
    }
    // only then, so that redirection never pauses
    for other in tool.others() {
        other.remove().map_err(environment)?;
    }
    let is_there = differences.is_empty();
    let answer = Answer { tool: tool.name(), installed: true, ..Answer::default() };
    let in_words = || match is_there {
        true => format!("installed already, with {}: nothing was changed\n", tool.name()),
        false => format!("installed with {}: {}\n", tool.name(), ruleset.in_words()),
    };
    print(&output::structured(format.output, &answer).unwrap_or_else(in_words));
    Ok(Exit::Ok)
}

fn status(Status { capture, with, format }: Status) -> Result<Exit, Failed> {
    let ruleset = capture.ruleset().map_err(|message| (message, Exit::Usage))?;
    let tool = with.tool.found().map_err(environment)?;
    let differences = differences(tool, &ruleset)?;
    let installed = differences.is_empty();
    let answer = Answer { tool: tool.name(), installed, differences, rules: None };
    let in_words = || told(&answer, &ruleset);
    print(&output::structured(format.output, &answer).unwrap_or_else(in_words));
    Ok(if installed { Exit::Ok } else { Exit::Problems })
}

/// Differences between the installed and the wanted rules, in words; empty: none.
fn differences(tool: Tool, ruleset: &Ruleset) -> Result<Vec<String>, Failed> {
    let installed = tool.installed().map_err(environment)?;
    let mut found = rules::differences(&tool.wanted(ruleset), &installed);
    found.extend(tool.others().map(|other| format!("too much: what was installed with {}", other.name())));
    Ok(found)
}

fn told(answer: &Answer, ruleset: &Ruleset) -> String {
    if answer.installed {
        return format!("installed with {}: {}\n", answer.tool, ruleset.in_words());
    }
    let mut text = "not as these flags would install it:\n".to_owned();
    for difference in &answer.differences {
        // formatting into a string cannot fail
        let _ = writeln!(text, "  {difference}");
    }
    text
}

fn uninstall(Uninstall { with, dry_run, format }: Uninstall) -> Result<Exit, Failed> {
    if dry_run {
        let tool = with.tool.or_usual();
        let rules = tool.removal();
        let answer = Answer { tool: tool.name(), rules: Some(rules.clone()), ..Answer::default() };
        print(&output::structured(format.output, &answer).unwrap_or(rules));
        return Ok(Exit::Ok);
    }
    // the tools that may have installed the rules
    let tools: Vec<Tool> = match with.tool {
        Choice::Auto => Tool::all_found(),
        Choice::Nft | Choice::Iptables => vec![with.tool.found().map_err(environment)?],
    };
    let mut removed = Vec::new();
    for tool in tools {
        if tool.remove().map_err(environment)? {
            removed.push(tool.name());
        }
    }
    let answer = Answer { tool: removed.first().copied().unwrap_or("none"), ..Answer::default() };
    let in_words = || match removed.as_slice() {
        [] => "nothing was installed\n".to_owned(),
        removed => {
            format!("taken out with {}: connections go where they are dialled\n", removed.join(" and "))
        }
    };
    print(&output::structured(format.output, &answer).unwrap_or_else(in_words));
    Ok(Exit::Ok)
}
