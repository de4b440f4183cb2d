//! Command line.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::get::Shape;
use crate::help::arranged;
use crate::log::Diagnostics;
use crate::output::Format;
use crate::settings::WithFile;
use crate::terminal::Colours;
use crate::{
    apply, backup, bug_report, check, completion, config, control_plane, delete, demo, describe, diff, edit,
    envoy_bootstrap, explain, get, history, identity, import, kernel_programs, logs, man, plan, preview,
    profiles, proxy, rollback, rollout, schema, set, simulate, status, token, top, transparent_proxy, up,
    validate, version,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Reroute and split TCP between services, by Kuma's MeshTCPRoute.
///
/// A folder of mesh resources in, TCP connections carried according to it; a saved change is live within half a second
/// and touches no open connection.
#[derive(Debug, Parser)]
#[command(name = "meshtcp", version, styles = STYLES, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) diagnostics: Diagnostics,
    /// When to write in colours
    // read before everything else: what is wrong with a command line is printed, too
    #[arg(
        long = "color",
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Diagnostics"
    )]
    pub(crate) _colours: Colours,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry the connections of every proxy on this host as the resources say, and follow their changes
    Up(WithFile<up::Args>),
    /// Show in 10 seconds what this does: 1,000 connections, two changes of weights, none cut
    Demo(demo::Args),
    /// Say everything that is wrong with resources
    Validate(validate::Args),
    /// Show what one proxy must do, each value with the policy that it comes from
    Plan(plan::Args),
    /// Say why the connections of one proxy go where they go
    Explain(Box<explain::Args>),
    /// Tell every proxy that attaches, Envoy and our own, what the resources say, and follow their changes
    ControlPlane(WithFile<control_plane::Args>),
    /// Carry the connections of one proxy as a control plane says
    Proxy(WithFile<proxy::Args>),
    /// Show which programs of ours decide in this kernel, and detach what a process left there
    Kernel(kernel_programs::Args),
    /// Let the kernel redirect this host's connections to the proxy beside them, and undo it
    TransparentProxy(transparent_proxy::Args),
    /// Print the file that an Envoy starts from to attach to a control plane
    EnvoyBootstrap(envoy_bootstrap::Args),
    /// Print what documents may say, as a JSON schema for editors
    Schema(schema::Args),
    /// List the Kuma versions whose rules can be applied
    Profiles(profiles::Args),
    /// Put resources into a control plane, and see the change become live
    Apply(apply::Args),
    /// Show what a control plane stores
    Get(get::Args),
    /// Show one stored resource, and what became of it
    Describe(describe::Args),
    /// Change a stored resource in your own editor
    Edit(edit::Args),
    /// Take resources out of a control plane
    Delete(delete::Args),
    /// Show how documents differ from what is in force
    Diff(diff::Args),
    /// Say what a change would do, to whom, without doing it
    Preview(preview::Args),
    /// Say where connections would go under a change
    Simulate(simulate::Args),
    /// Show how far routes, proxies and revisions have come
    Status(status::Args),
    /// Change one thing of what a control plane stores
    Set(set::Args),
    /// Move connections from one backend to another in steps, which go back by themselves
    Rollout(rollout::Args),
    /// Show who changed a stored resource when, and how
    History(history::Args),
    /// Make a stored resource say again what it said before
    Rollback(rollback::Args),
    /// Watch what connections do, live, in a terminal
    Top(top::Args),
    /// Show who has which certificate, and have new ones made
    Identity(identity::Args),
    /// Show what became of connections, from a connection log
    Logs(logs::Args),
    /// Look whether a running system is well: the control plane, its proxies, and this host
    Check(check::Args),
    /// Pack what a developer needs to find a mistake, without secrets
    BugReport(bug_report::Args),
    /// Make, look at and take back the tokens by which proxies and people are let in
    Token(token::Args),
    /// Say which version this is, and the control plane's
    Version(version::Args),
    /// Write everything that a control plane or a store has as one text
    Backup(backup::BackupArgs),
    /// Put what a backup has into a control plane or a store
    Restore(backup::RestoreArgs),
    /// Turn routes of the Gateway API or of Istio into ours
    Import(import::Args),
    /// Choose the control plane that commands talk to
    Config(config::Args),
    /// Print what a shell needs to complete command lines
    Completion(completion::Args),
    /// Write manual pages of every command
    Man(man::Args),
}

/// Parses a command line, and the format of its answer.
///
/// # Errors
/// The command line is invalid, or asks for help.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<(Cli, Format), clap::Error> {
    let matches = command_line().try_get_matches_from(arguments)?;
    let mut deepest = &matches;
    while let Some((_, matches)) = deepest.subcommand() {
        deepest = matches;
    }
    let format = deepest.try_get_one::<Format>("output").ok().flatten().copied();
    let shape = || deepest.try_get_one::<Shape>("output").ok().flatten().map(Shape::format);
    let imported = || deepest.try_get_one::<import::Shape>("output").ok().flatten().map(|it| it.format());
    let format = format.or_else(shape).or_else(imported);
    // some commands print YAML by default
    let is_chosen = |_: &Format| deepest.value_source("output") == Some(ValueSource::CommandLine);
    let format = format.filter(is_chosen).unwrap_or_default();
    Ok((Cli::from_arg_matches(&matches)?, format))
}

/// Returns `true` if a command line, which may be invalid, asks for JSON.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    words.iter().any(|word| word == "--output=json" || word == "-ojson")
        || words.windows(2).any(|pair| ["-o", "--output"].contains(&&*pair[0]) && pair[1] == "json")
}

/// Whole command line, as shown to users.
pub(crate) fn command_line() -> clap::Command {
    arranged(Cli::command())
}

/// Returns `true` if a command line, which may be invalid, is that of a server.
pub(crate) fn goes_on(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|command| ["up", "proxy", "control-plane"].iter().any(|it| command == it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command_line().debug_assert();
    }
}
